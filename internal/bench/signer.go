package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"time"

	"crossfade/internal/agent/control"
	"crossfade/internal/sigv4"
)

// The texts of Signature Version 4, as package sigv4 has them for requests of every kind.
const (
	signingAlgorithm  = "AWS4-HMAC-SHA256"
	signingTerminator = "aws4_request"
	signingTime       = "20060102T150405Z"
	signedByAgents    = "content-type;host;x-amz-codedeploy-agent-version;x-amz-date;x-amz-target"
)

// targetPrefix is what the operations of agents are called by.
const targetPrefix = "CodeDeployCommandService_v20141006."

// heads are the parts of requests and of their canonical form that are the same for all agents.
type heads struct{ request, canonical string }

func newHeads(w *route) heads {
	return heads{
		request: "POST " + w.path + " HTTP/1.1\r\nHost: " + w.host + "\r\nContent-Type: application/x-amz-json-1.1\r\nUser-Agent: " + agentVersion +
			"\r\nX-Amz-Codedeploy-Agent-Version: " + agentVersion + "\r\nX-Amz-Target: " + targetPrefix,
		canonical: "POST\n" + w.path + "\n\ncontent-type:application/x-amz-json-1.1\nhost:" + w.host + "\nx-amz-codedeploy-agent-version:" + agentVersion + "\nx-amz-date:",
	}
}

// signer signs an agent's requests as sigv4.Sign does. It derives its key once a day and makes no garbage.
type signer struct {
	key    sigv4.Credential // without a session: a host's is long-lived
	region string
	scope  string    // of the day; empty: no key is derived
	mac    hash.Hash // with the key of the scope
}

// scratch is room for what is forgotten once it is hashed.
type scratch struct {
	body, text []byte
	sum        [sha256.Size]byte
}

// appendRequest appends the signed request that calls an operation with the body in the scratch.
func (s *signer) appendRequest(b []byte, h heads, operation string, at time.Time, on *scratch) []byte {
	at = at.UTC()
	var stamp [len(signingTime)]byte
	at.AppendFormat(stamp[:0], signingTime)
	if day := stamp[:len("20060102")]; s.scope == "" || s.scope[:len(day)] != string(day) {
		s.derive(string(day))
	}
	on.sum = sha256.Sum256(on.body)
	t := append(append(on.text[:0], h.canonical...), stamp[:]...)
	t = append(append(t, "\nx-amz-target:"+targetPrefix...), operation...)
	t = append(t, "\n\n"+signedByAgents+"\n"...)
	t = hex.AppendEncode(t, on.sum[:])
	on.sum = sha256.Sum256(t)
	t = append(append(t[:0], signingAlgorithm+"\n"...), stamp[:]...)
	t = append(append(append(t, '\n'), s.scope...), '\n')
	t = hex.AppendEncode(t, on.sum[:])
	s.mac.Reset()
	s.mac.Write(t)
	s.mac.Sum(on.sum[:0])
	on.text = t

	b = append(append(b, h.request...), operation...)
	b = append(append(b, "\r\nX-Amz-Date: "...), stamp[:]...)
	b = append(append(b, "\r\nAuthorization: "+signingAlgorithm+" Credential="...), s.key.AccessKeyID...)
	b = append(append(append(b, '/'), s.scope...), ", SignedHeaders="+signedByAgents+", Signature="...)
	b = hex.AppendEncode(b, on.sum[:])
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(on.body)), 10)
	return append(append(b, "\r\n\r\n"...), on.body...)
}

// derive makes the key of a day.
func (s *signer) derive(day string) {
	key := []byte("AWS4" + s.key.SecretAccessKey)
	for _, part := range []string{day, s.region, control.Service, signingTerminator} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	s.scope = day + "/" + s.region + "/" + control.Service + "/" + signingTerminator
	s.mac = hmac.New(sha256.New, key)
}
