package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"crossfade/internal/awsjson/client"
	"crossfade/internal/operator"
	"crossfade/internal/sigv4"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 32 << 20

// callTimeout bounds one call of the load's own.
const callTimeout = 2 * time.Minute

// calls makes the calls of an operator to the server under load.
type calls struct {
	at       *Installation
	http     *http.Client
	control  *client.Client
	operator *operator.Client
}

func newCalls(at *Installation, connections int) *calls {
	caller := manyConnections(at.HTTP, connections)
	caller.Timeout = callTimeout
	return &calls{
		at: at, http: caller,
		control: &client.Client{
			Endpoint: at.Endpoint, Region: at.Region, Service: "codedeploy", Target: "CodeDeploy_20141006", Credential: at.Credential, HTTP: caller,
			Now: time.Now, MaxAnswer: maxAnswer,
		},
		operator: &operator.Client{Endpoint: at.Endpoint, Region: at.Region, Credential: at.Credential, HTTP: caller, Now: time.Now},
	}
}

// close gives the connections back.
func (c *calls) close() { c.http.CloseIdleConnections() }

// manyConnections is a client like the given one that keeps as many connections as there are callers. Small buffers: there are thousands.
func manyConnections(like *http.Client, connections int) *http.Client {
	var t *http.Transport
	if given, ok := like.Transport.(*http.Transport); ok {
		t = given.Clone()
	} else {
		t = http.DefaultTransport.(*http.Transport).Clone()
	}
	t.Proxy = nil
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, connections
	t.ReadBufferSize, t.WriteBufferSize = 2<<10, 2<<10
	t.IdleConnTimeout = 5 * time.Minute
	return &http.Client{Transport: t}
}

// call calls an operation of the control API. A nil out takes no answer.
func (c *calls) call(ctx context.Context, operation string, in, out any) error {
	if err := c.control.Call(ctx, operation, in, out); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return nil
}

// object makes a call to the revision store. notFound and the like are errors, but for the status that is accepted besides 2xx.
func (c *calls) object(ctx context.Context, method, path string, body []byte, accept int) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.at.Endpoint, "/")+path, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	sigv4.Sign(r, c.at.Credential, c.at.Region, sigv4.ServiceS3, sigv4.Hash(body), time.Now())
	answer, err := c.http.Do(r)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	case answer.StatusCode/100 != 2 && answer.StatusCode != accept:
		return 0, fmt.Errorf("%s %s: the server answers %s: %s", method, path, answer.Status, said)
	}
	return answer.StatusCode, nil
}
