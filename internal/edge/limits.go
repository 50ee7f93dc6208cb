package edge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"

	"crossfade/internal/limit"
)

// Limits bound how many calls come in. A limiter that is nil bounds none.
type Limits struct {
	// PerKey bounds the calls signed with one access key.
	PerKey *limit.Limiter
	// PerAddress bounds the calls from one address, or from one IPv6 network of 64 bits, before anything is known of them. A whole fleet may share an address.
	PerAddress *limit.Limiter
	// Failures bounds how often calls from one address are told what is wrong with their signatures, and leave a line in the audit log. Calls whose
	// signatures hold are never bound by it, so that one host that was removed does not hold up its neighbours.
	Failures *limit.Limiter
}

// network is whom calls from an address are counted for: of IPv6 the network of 64 bits, all of whose addresses one customer has.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// errThrottled refuses a call that is one too many.
var errThrottled = errors.New("rate exceeded")

const rateExceeded = "Rate exceeded: too many calls with this access key, or from this address; slow down and try again."

// pollHostCommand is the one operation that is answered instead of refused: agents make a pause of up to 90 seconds of an error.
const pollHostCommand = "PollHostCommand"

// slowPause is how long a poll that is one too many waits for its empty answer.
const slowPause = time.Second

// slowPoll answers a poll that is one too many with nothing, after a while.
func (c *call) slowPoll() {
	ctx, cancel := context.WithTimeout(c.r.Context(), slowPause)
	defer cancel()
	defer context.AfterFunc(c.edge.drained, cancel)()
	<-ctx.Done()
	c.code = "ThrottlingException"
	c.w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	c.w.WriteHeader(http.StatusOK)
	if _, err := io.WriteString(c.w, "{}"); err != nil {
		return // the agent is gone
	}
}
