// Package officialconf reads the configuration file of the official host agent, so that a host can change from that agent to this one without
// being configured anew.
//
// It owns the file's format and the judgement of each of its keys: what it means here, or why it means nothing. It reads no other file, and
// carries nothing out. Everything here is a plain value or a function, safe for concurrent use.
package officialconf

import (
	"runtime"
	"time"
)

// Conf is what the file says of what has a meaning here. The zero value of a field: the file says nothing of it.
type Conf struct {
	Endpoint   string // URL of the server
	S3Endpoint string // URL of the store of revisions
	Root       string // directory of deployments and progress
	OnPremises string // the host's identity, a file
	Proxy      string // URL for all that the agent asks for

	MaxRevisions int           // at least 1
	ReadTimeout  time.Duration // that an answer may take to begin
	StopTimeout  time.Duration // that running events may take when the agent is told to stop

	AuthPolicy bool   // the server is called by the names of its secure endpoint
	Tracking   string // name of the directory of running commands in Root

	NoDeploymentsLog bool // the log of all scripts is not wanted
	Verbose          bool

	// Notes are what the operator should know of the file: keys that mean nothing here though somebody may count on them, and keys that nobody
	// knows. Each is a sentence.
	Notes []string
	// Idle are the keys that mean nothing here and that nobody needs to miss.
	Idle []string
}

// DefaultPath is where the official agent has the file.
func DefaultPath() string {
	if runtime.GOOS == "windows" {
		return `C:\ProgramData\Amazon\CodeDeploy\conf.yml`
	}
	return "/etc/codedeploy-agent/conf/codedeployagent.yml"
}

// maxFile bounds the file, in bytes.
const maxFile = 1 << 20
