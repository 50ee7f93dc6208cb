// Package iam holds the wire types of the part of IAM that there is: users, their access keys and their inline policies. They are generated from
// the public API model; ListGroupsForUser and ListAttachedUserPolicies are among them because tools ask before they delete a user.
//
// The package does no I/O and knows nothing of what an operation means.
package iam

//go:generate go run crossfade/internal/tools/wiregen -module github.com/aws/aws-sdk-go@v1.55.8 -model models/apis/iam/2010-05-08/api-2.json -operations CreateAccessKey,CreateUser,DeleteAccessKey,DeleteUser,DeleteUserPolicy,GetUser,GetUserPolicy,ListAccessKeys,ListAttachedUserPolicies,ListGroupsForUser,ListUserPolicies,ListUserTags,ListUsers,PutUserPolicy,UpdateAccessKey -package iam -out .
