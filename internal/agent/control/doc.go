// Package control is the client of the host command protocol: the calls that an agent makes to its server, over awsJson1_1.
//
// It owns encoding, signing, the judgement whether an answer is final, and the correction of a host clock that is off. It starts no
// goroutine and never repeats a call: what is worth repeating, and for how long, is the agent's to say. A [Client] is safe for concurrent
// use.
package control

import (
	"context"
	"net/http"
	"time"
)

// Sign signs a request of the given service as of the given time. The payload is the hexadecimal SHA-256 of the body.
type Sign func(ctx context.Context, req *http.Request, service, payload string, at time.Time) error

// The signing names of the protocol: of the usual endpoint, and of the secure one.
const (
	Service       = "codedeploy-commands"
	SecureService = "codedeploy-commands-secure"
)

const (
	targetPrefix       = "CodeDeployCommandService_v20141006."
	secureTargetPrefix = "CodeDeployCommandService."

	versionHeader = "X-Amz-Codedeploy-Agent-Version"

	// maxAnswer bounds what is read of an answer, in bytes. The largest is a signed specification.
	maxAnswer = 1 << 20
	// tolerableSkew is how far this host's clock may be off before requests are dated by the server's clock. AWS refuses at five minutes.
	tolerableSkew = 2 * time.Minute
)

// PollTimeout is how long a poll may take, the server's holding it included; the official agent waits as long.
const PollTimeout = 80 * time.Second

// callTimeout is for all calls but polls.
const callTimeout = 30 * time.Second
