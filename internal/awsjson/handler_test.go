package awsjson_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/awsjson"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// service implements the operations that a test sets.
type service struct {
	control.Service
	get  func(context.Context, *control.GetDeploymentGroupInput) (*control.GetDeploymentGroupOutput, error)
	cont func(context.Context, *control.ContinueDeploymentInput) error
}

func (s service) GetDeploymentGroup(ctx context.Context, in *control.GetDeploymentGroupInput) (*control.GetDeploymentGroupOutput, error) {
	return s.get(ctx, in)
}

func (s service) ContinueDeployment(ctx context.Context, in *control.ContinueDeploymentInput) error {
	return s.cont(ctx, in)
}

func handler(t *testing.T, s control.Service, log *bytes.Buffer, change func(*awsjson.Config)) *awsjson.Handler {
	t.Helper()
	cfg := awsjson.Config{
		Services:     []wire.Service{control.Describe(s)},
		Log:          slog.New(slog.NewTextHandler(log, nil)),
		NewRequestID: func() string { return "11111111-2222-3333-4444-555555555555" },
	}
	if change != nil {
		change(&cfg)
	}
	h, err := awsjson.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func post(h http.Handler, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	getGroup = "CodeDeploy_20141006.GetDeploymentGroup"
	cont     = "CodeDeploy_20141006.ContinueDeployment"
)

func TestExchanges(t *testing.T) {
	t.Parallel()
	fine := service{
		get: func(_ context.Context, in *control.GetDeploymentGroupInput) (*control.GetDeploymentGroupOutput, error) {
			return &control.GetDeploymentGroupOutput{DeploymentGroupInfo: &control.DeploymentGroupInfo{
				ApplicationName: in.ApplicationName, DeploymentGroupName: in.DeploymentGroupName,
				Ec2TagFilters:            []control.EC2TagFilter{{Key: new("a<b>&c")}},
				LastSuccessfulDeployment: &control.LastDeploymentInfo{EndTime: wire.At(time.UnixMilli(1446744188711))},
				AutoScalingGroups:        []control.AutoScalingGroup{},
			}}, nil
		},
		cont: func(context.Context, *control.ContinueDeploymentInput) error { return nil },
	}
	refusing := func(err error) service {
		return service{cont: func(context.Context, *control.ContinueDeploymentInput) error { return err }}
	}
	failure := `{"__type":"InternalFailure","message":"An unexpected fault happened; the server's log names it under request id 11111111-2222-3333-4444-555555555555."}`
	for name, c := range map[string]struct {
		svc          control.Service
		target, body string
		status       int
		want         string
		logged       string
	}{
		"success": {
			fine, getGroup, `{"applicationName":"shop","deploymentGroupName":"prod","future":{"x":[1,{}]}}`, 200,
			`{"deploymentGroupInfo":{"applicationName":"shop","deploymentGroupName":"prod","ec2TagFilters":[{"Key":"a<b>&c"}],"autoScalingGroups":[],"lastSuccessfulDeployment":{"endTime":1446744188.711}}}`, "",
		},
		"success without an output shape":     {fine, cont, `{"deploymentId":"d-AB1CDEF23","deploymentWaitType":"READY_WAIT"}`, 200, "", ""},
		"an empty body is an empty object":    {fine, cont, "", 200, "", ""},
		"a body of blanks is an empty object": {fine, cont, " \n", 200, "", ""},
		"a modelled exception": {
			refusing(fmt.Errorf("continue: %w", wire.Errorf(control.DeploymentIsNotInReadyStateException, "The deployment %s is not ready.", "d-1"))), cont, `{}`, 400,
			`{"__type":"DeploymentIsNotInReadyStateException","message":"The deployment d-1 is not ready."}`, "",
		},
		"a common error": {refusing(wire.Errorf(awsjson.Throttling, "Rate exceeded")), cont, `{}`, 400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`, ""},
		"a status of its own": {
			refusing(&wire.Error{Code: awsjson.ServiceUnavailable, Message: "Draining."}), cont, `{}`, 503, `{"__type":"ServiceUnavailable","message":"Draining."}`, "",
		},
		"an undeclared exception":  {refusing(wire.Errorf(control.InvalidRoleException, "No.")), cont, `{}`, 500, failure, "does not declare"},
		"an unmodelled error":      {refusing(errors.New("disk on fire")), cont, `{}`, 500, failure, "disk on fire"},
		"a panic":                  {service{}, cont, `{}`, 500, failure, "panic in ContinueDeployment"},
		"no target":                {fine, "", `{}`, 400, `{"__type":"UnknownOperationException","message":"The X-Amz-Target header is missing; it names the operation, as in CodeDeploy_20141006.GetDeployment."}`, ""},
		"an unknown operation":     {fine, "CodeDeploy_20141006.Fly", `{}`, 400, `{"__type":"UnknownOperationException","message":"The X-Amz-Target header names \"CodeDeploy_20141006.Fly\", which is no operation of this endpoint."}`, ""},
		"an unknown prefix":        {fine, "Other.GetDeployment", `{}`, 400, `{"__type":"UnknownOperationException","message":"The X-Amz-Target header names \"Other.GetDeployment\", which is no operation of this endpoint."}`, ""},
		"a broken constraint":      {fine, getGroup, `{"applicationName":"shop"}`, 400, `{"__type":"ValidationException","message":"deploymentGroupName is required."}`, ""},
		"null is absent":           {fine, getGroup, `{"applicationName":null,"deploymentGroupName":"g"}`, 400, `{"__type":"ValidationException","message":"applicationName is required."}`, ""},
		"not JSON":                 {fine, cont, `{"deploymentId"`, 400, `{"__type":"SerializationException","message":"the body is not JSON: unexpected end of JSON input, at byte 15"}`, ""},
		"not an object":            {fine, cont, `["d-1"]`, 400, `{"__type":"SerializationException","message":"the body is a list, and a JSON object is expected"}`, ""},
		"more than one object":     {fine, cont, `{}{}`, 400, `{"__type":"SerializationException","message":"the body is not JSON: invalid character '{' after top-level value, at byte 3"}`, ""},
		"a member of a wrong type": {fine, cont, `{"deploymentId":7}`, 400, `{"__type":"SerializationException","message":"member deploymentId: expected a string, found the number 7"}`, ""},
		"members are matched exactly": {
			fine, getGroup, `{"ApplicationName":"shop","deploymentGroupName":"g"}`, 400, `{"__type":"ValidationException","message":"applicationName is required."}`, "",
		},
		"a body too large": {fine, cont, strings.Repeat(" ", 1<<20+1), 413, `{"__type":"RequestEntityTooLargeException","message":"The body is larger than 1048576 bytes."}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			w := post(handler(t, c.svc, &log, func(cfg *awsjson.Config) { cfg.Strict = true }), c.target, c.body)
			if w.Code != c.status || w.Body.String() != c.want {
				t.Errorf("got %d %s\nwant %d %s", w.Code, w.Body, c.status, c.want)
			}
			if got := w.Header().Get("x-amzn-RequestId"); got != "11111111-2222-3333-4444-555555555555" {
				t.Errorf("request id %q", got)
			}
			if got := w.Header().Get("Content-Type"); got != "application/x-amz-json-1.1" {
				t.Errorf("content type %q", got)
			}
			code := w.Header().Get("x-amzn-ErrorType")
			if (c.status == 200) != (code == "") || !strings.Contains(c.want, code) {
				t.Errorf("error type %q", code)
			}
			if !strings.Contains(log.String(), c.logged) || (c.logged == "" && log.Len() > 0) {
				t.Errorf("logged %q, want %q", log.String(), c.logged)
			}
		})
	}
}

func TestAnUndeclaredExceptionIsPassedOnInServiceAndLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := service{cont: func(context.Context, *control.ContinueDeploymentInput) error {
		return wire.Errorf(control.InvalidRoleException, "No.")
	}}
	w := post(handler(t, s, &log, nil), cont, `{}`)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "InvalidRoleException") || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("got %d %s, logged %q", w.Code, w.Body, log.String())
	}
}

func TestAuthorisationComesBetweenParseAndConstraints(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := handler(t, service{}, &log, func(cfg *awsjson.Config) {
		cfg.Authorize = func(_ context.Context, route awsjson.Route, in wire.Input) error {
			group, ok := in.(*control.GetDeploymentGroupInput)
			if !ok || group.ApplicationName == nil {
				t.Errorf("authorised %T", in)
				return nil
			}
			return wire.Errorf(awsjson.AccessDenied, "%s on %s", route.Op.Name, *group.ApplicationName)
		}
	})
	if w := post(h, getGroup, `{"applicationName":1}`); !strings.Contains(w.Body.String(), "Serialization") {
		t.Errorf("a bad body got %s", w.Body)
	}
	if w := post(h, getGroup, `{"applicationName":"shop"}`); !strings.Contains(w.Body.String(), `"GetDeploymentGroup on shop"`) {
		t.Errorf("an invalid input got %s", w.Body)
	}
}

func TestExplainTurnsViolationsIntoExceptions(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := handler(t, service{cont: func(context.Context, *control.ContinueDeploymentInput) error { return nil }}, &log, func(cfg *awsjson.Config) {
		cfg.Explain = func(route awsjson.Route, v wire.Violation) error {
			if v.Rule == wire.Required {
				return wire.Errorf(control.ApplicationNameRequiredException, "%s: %s", route.Op.Name, v)
			}
			return nil
		}
	})
	if w := post(h, getGroup, `{}`); !strings.Contains(w.Body.String(), `"GetDeploymentGroup: applicationName is required"`) {
		t.Errorf("got %s", w.Body)
	}
	if w := post(h, cont, `{"deploymentWaitType":"NAP"}`); w.Code != 200 {
		t.Errorf("a violation left to the operation got %d %s", w.Code, w.Body)
	}
}

func TestACallerThatLeftIsNoFault(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(awsjson.WithRequestID(context.Background(), "edge-id"))
	cancel()
	h := handler(t, service{cont: func(ctx context.Context, _ *control.ContinueDeploymentInput) error { return ctx.Err() }}, &log, nil)
	route, ok := h.Lookup(cont)
	if !ok {
		t.Fatal("the target is unknown")
	}
	w := httptest.NewRecorder()
	out := h.Serve(ctx, w, route, nil)
	if out.Status != 503 || out.Code != awsjson.ServiceUnavailable || out.RequestID != "edge-id" || out.Fault == nil || log.Len() > 0 {
		t.Errorf("got %+v, logged %q", out, log.String())
	}
}

func TestRefuseSpeaksTheProtocol(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := httptest.NewRecorder()
	out := handler(t, service{}, &log, nil).Refuse(context.Background(), w, wire.Errorf(awsjson.MissingAuthenticationToken, "No Authorization header."))
	if out.Status != 400 || w.Body.String() != `{"__type":"MissingAuthenticationTokenException","message":"No Authorization header."}` {
		t.Errorf("got %+v %s", out, w.Body)
	}
}

func TestTwoServicesMayNotClaimOneTarget(t *testing.T) {
	t.Parallel()
	svc := control.Describe(service{})
	_, err := awsjson.New(awsjson.Config{
		Services: []wire.Service{svc, svc}, Log: slog.New(slog.DiscardHandler), NewRequestID: func() string { return "" },
	})
	if err == nil || !strings.Contains(err.Error(), "two operations") {
		t.Errorf("got %v", err)
	}
}
