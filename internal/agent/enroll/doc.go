// Package enroll gets a host its identity with a join token, keeps it in a directory, and keeps its credentials fresh.
//
// It owns the directory's layout: the host's identity in the official on-premises form with the credentials file that it names, so that the official
// agent can run from there too; the certificates that the server and signers are checked against; and agent.yml, which says where all that is. It
// runs no deployment, decides nothing about identities and never reads the environment. A [Directory] is a value; a [Renewer] is run by one goroutine.
package enroll
