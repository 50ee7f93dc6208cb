package edge

import (
	"context"
	"net/http"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
)

// signedForS3 reports whether the request means S3, where a bucket may have the name of a page.
func (c *call) signedForS3() bool {
	claim, err := sigv4.Parse(c.r)
	return err == nil && claim.Service == auth.ServiceRevisions
}

// read answers with a page for those who have signed. Its context ends when the server stops, since the answer may have no end of its own.
func (c *call) read(page Read) {
	e := c.edge
	c.service, c.operation = auth.ServiceOperator, page.Operation
	if e.draining.Load() {
		c.refuseJSON(wire.Errorf(awsjson.ServiceUnavailable, "The server is stopping; try again."))
		return
	}
	ctx, err := c.authenticate(nil, auth.ServiceOperator)
	if err == nil {
		err = e.cfg.Authorize(ctx, auth.Access{Service: c.service, Operation: c.operation, Resource: "*"})
	}
	if err != nil {
		c.refuseJSON(err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.drained, cancel)()
	w := c.w
	c.guard(func() { page.Handler.ServeHTTP(w, c.r.WithContext(ctx)) }, func() {
		c.refuseJSON(wire.Errorf(awsjson.InternalFailure, internalError))
	})
	if w.status >= 400 && c.code == "" {
		c.code = http.StatusText(w.status)
	}
}
