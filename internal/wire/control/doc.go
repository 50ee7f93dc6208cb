// Package control holds the wire types of the control API: 47 operations, generated from the public model of API version 2014-10-06.
//
// The service interface makes a missing operation a compile error, Describe gives the codec what it needs to serve an implementation, and
// Validate checks the constraints of the model. The package does no I/O and knows nothing of what an operation means.
package control

//go:generate go run crossfade/internal/tools/wiregen -module github.com/aws/aws-sdk-go@v1.55.8 -model models/apis/codedeploy/2014-10-06/api-2.json -package control -out .
