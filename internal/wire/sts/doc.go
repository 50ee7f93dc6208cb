// Package sts holds the wire types of the part of STS that there is: who a caller is, and the sessions of roles. They are generated from the public
// API model.
//
// The package does no I/O and knows nothing of what an operation means.
package sts

//go:generate go run crossfade/internal/tools/wiregen -module github.com/aws/aws-sdk-go@v1.55.8 -model models/apis/sts/2011-06-15/api-2.json -operations AssumeRole,GetCallerIdentity -package sts -out .
