package edge

import (
	"slices"
	"strings"

	"crossfade/internal/audit"
	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/sigv4"
)

// claimedKey is what is kept of the access key id that a call claims, when its signature was refused for a reason. Whose id and secret have changed places
// sends the secret as the id: so what nobody knows is kept only when it looks like an id that was given out.
func claimedKey(id, code string) string {
	known := code == sigv4.InvalidSignature || code == sigv4.ExpiredToken
	if !known && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return ""
	}
	return id
}

// audit leaves a line of a call that may change something, and of one that was denied for who signed it or for how. A call that nobody is known to
// have made and that was turned away before that, as one too many, leaves none.
func (c *call) audit() {
	denied := c.refusedSignature || strings.HasPrefix(c.code, "AccessDenied")
	if c.edge.cfg.Audit == nil || !denied && (!c.changes || c.caller.ARN == "") {
		return
	}
	e := audit.Entry{
		Time: c.begun, RequestID: awsjson.RequestID(c.r.Context()), Principal: c.caller.ARN, AccessKey: c.caller.AccessKeyID, From: c.address(),
		Service: c.service, Operation: c.operation, Decision: audit.Allowed, Code: c.code,
	}
	if c.refusedSignature {
		e.AccessKey = c.refusedKey
	}
	if e.Operation == "" {
		e.Operation = "unknown"
	}
	partly := false
	for _, d := range auth.Decisions(c.r.Context()) {
		if d.Resource != "*" && !slices.Contains(e.Resources, d.Resource) {
			e.Resources = append(e.Resources, d.Resource)
		}
		// The last one decides: after a denial no more is asked, but where each of many things is decided by itself, and the denial is what tells.
		if !partly {
			e.Statement, partly = d.Statement, !d.Allowed
		}
	}
	denied = denied || partly
	if denied {
		e.Decision = audit.Denied
	}
	c.edge.cfg.Audit(e)
}
