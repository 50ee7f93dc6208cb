package iam

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// The prefixes say what an identifier is of (IAM user guide, unique identifiers).
const (
	userPrefix = "AIDA"
	rolePrefix = "AROA"
)

// freshID is an identifier that was never given before.
func freshID() string {
	random := make([]byte, 11)
	rand.Read(random) // never fails
	return userPrefix + base32.StdEncoding.EncodeToString(random)[:17]
}

// derivedID is the identifier of what is stored nowhere: always the same one for the same ARN.
func derivedID(prefix, arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// sessionOf takes the ARN of a role's session apart.
func sessionOf(arn string) (account, role, session string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "sts" {
		return "", "", "", false
	}
	names := strings.Split(parts[5], "/")
	if len(names) != 3 || names[0] != "assumed-role" {
		return "", "", "", false
	}
	return parts[4], names[1], names[2], true
}
