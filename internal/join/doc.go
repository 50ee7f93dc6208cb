// Package join is what a new host and a server say to each other: the token that an operator hands to the host, and the two operations by which the
// host gets an identity with it and keeps that identity's credentials fresh.
//
// It owns the token's form and the shapes of the two operations. It decides nothing and calls nobody: package operator answers, package
// internal/agent/enroll asks. There is no state.
package join
