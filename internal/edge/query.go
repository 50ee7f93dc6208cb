package edge

import (
	"errors"
	"mime"
	"net/http"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/awsquery"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
)

// looksLikeQuery tells the calls of the query protocol apart: a form that is posted to the root, or what is signed for one of its services. S3 takes
// posted forms too, but other paths and another form of body.
func (c *call) looksLikeQuery() bool {
	if c.r.URL.Path != "/" || c.r.Header.Get("X-Amz-Target") != "" {
		return false
	}
	if c.r.Method == http.MethodPost {
		if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err == nil && kind == "application/x-www-form-urlencoded" {
			return true
		}
	}
	claim, err := sigv4.Parse(c.r)
	return err == nil && (claim.Service == auth.ServiceIdentities || claim.Service == auth.ServiceSessions)
}

// query serves a call of the query protocol. Its parameters are the body's, or without one, as in presigned calls, those of the URL.
func (c *call) query() {
	e := c.edge
	c.service = "unknown"
	form, body, err := c.form()
	var route awsjson.Route
	if err == nil {
		route, err = e.cfg.Query.Lookup(form)
	}
	if err != nil {
		c.refuseQuery(route, err)
		return
	}
	c.service, c.operation = route.Service.SigningNames[0], route.Op.Name
	c.changes = changesSomething(c.service, c.operation)
	if e.draining.Load() {
		c.refuseQuery(route, wire.Errorf(awsjson.ServiceUnavailable, "The server is stopping; try again."))
		return
	}
	ctx, err := c.authenticate(body, route.Service.SigningNames...)
	if err != nil {
		c.refuseQuery(route, err)
		return
	}
	c.code = string(e.cfg.Query.Serve(ctx, c.w, route, form).Code)
}

// form reads the parameters, and the body that is signed.
func (c *call) form() (awsquery.Form, []byte, error) {
	body, err := c.readBody()
	if err != nil {
		return nil, nil, err
	}
	text := string(body)
	if len(body) == 0 {
		text = c.r.URL.RawQuery
	}
	if c.r.Method != http.MethodPost && (c.r.Method != http.MethodGet || len(body) > 0) {
		return nil, nil, wire.Errorf(awsquery.InvalidAction, "Send the call with POST, or without a body with GET.")
	}
	form, err := awsquery.Parse(text)
	return form, body, err
}

func (c *call) refuseQuery(route awsjson.Route, err error) {
	var refused *sigv4.Error
	if errors.As(err, &refused) {
		err = &wire.Error{Code: wire.Code(refused.Code), Message: refused.Message}
	}
	if errors.Is(err, errThrottled) {
		err = wire.Errorf(awsquery.Throttling, "%s", rateExceeded)
	}
	c.code = string(c.edge.cfg.Query.Refuse(c.r.Context(), c.w, route, err).Code)
}
