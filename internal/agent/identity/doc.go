// Package identity reads who a host is: the official agent's on-premises file, with the host's ARN and its access key, or with a session and
// the credentials file that some other program keeps fresh.
//
// It owns the two file formats. It asks no metadata service and no environment. An [Identity] is safe for concurrent use.
package identity
