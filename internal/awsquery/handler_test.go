package awsquery_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/awsjson"
	"crossfade/internal/awsquery"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
)

// service answers as each test says.
type service struct {
	wireiam.Service
	user   func() (*wireiam.GetUserResponse, error)
	delete func() error
}

func (s service) GetUser(context.Context, *wireiam.GetUserRequest) (*wireiam.GetUserResponse, error) {
	return s.user()
}

func (s service) DeleteUser(context.Context, *wireiam.DeleteUserRequest) error { return s.delete() }

func (s service) ListUserPolicies(context.Context, *wireiam.ListUserPoliciesRequest) (*wireiam.ListUserPoliciesResponse, error) {
	return &wireiam.ListUserPoliciesResponse{PolicyNames: []string{}, IsTruncated: new(false)}, nil
}

func serve(t *testing.T, s service, form string, change func(*awsquery.Config)) (awsjson.Outcome, *httptest.ResponseRecorder) {
	t.Helper()
	cfg := awsquery.Config{Services: []wire.Service{wireiam.Describe(s)}, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	h, err := awsquery.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := awsjson.WithRequestID(t.Context(), "the-id")
	w := httptest.NewRecorder()
	values := parse(t, form+"&Version=2010-05-08")
	route, err := h.Lookup(values)
	if err != nil {
		return h.Refuse(ctx, w, route, err), w
	}
	return h.Serve(ctx, w, route, values), w
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 4, 4, 5, 999, time.FixedZone("", 3600))
	s := service{
		user: func() (*wireiam.GetUserResponse, error) {
			return &wireiam.GetUserResponse{User: &wireiam.User{UserName: new("<a&\"b\x00>"), CreateDate: wire.At(at), Tags: []wireiam.Tag{{Key: new("k"), Value: new("")}}}}, nil
		},
		delete: func() error { return nil },
	}
	const head, tail = `Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/">`, `<ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata>`
	for form, want := range map[string]string{
		"Action=GetUser": `<GetUser` + head + `<GetUserResult><User><UserName>&lt;a&amp;&#34;b` + "�" + `&gt;</UserName><CreateDate>2026-01-02T03:04:05Z</CreateDate>` +
			`<Tags><member><Key>k</Key><Value></Value></member></Tags></User></GetUserResult>` + tail + `</GetUserResponse>`,
		"Action=DeleteUser&UserName=a":       `<DeleteUser` + head + tail + `</DeleteUserResponse>`,
		"Action=ListUserPolicies&UserName=a": `<ListUserPolicies` + head + `<ListUserPoliciesResult><PolicyNames></PolicyNames><IsTruncated>false</IsTruncated></ListUserPoliciesResult>` + tail + `</ListUserPoliciesResponse>`,
	} {
		outcome, w := serve(t, s, form, nil)
		if w.Body.String() != want || w.Code != 200 || outcome.Status != 200 || outcome.Code != "" || w.Header().Get("Content-Type") != "text/xml" || w.Header().Get("X-Amzn-Requestid") != "the-id" {
			t.Errorf("%s: %d %v\n got %s\nwant %s", form, w.Code, outcome, w.Body, want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	allow := func(*awsquery.Config) {}
	for _, c := range []struct {
		form   string
		err    error // of the operation
		change func(*awsquery.Config)
		want   string // type, code and message
		status int
	}{
		{"Action=GetUser", wire.Errorf(wireiam.NoSuchEntityException, "None <here>."), allow, "Sender NoSuchEntity None <here>.", 404},
		{"Action=GetUser", wire.Errorf(wireiam.ServiceFailureException, "Broken."), allow, "Receiver ServiceFailure Broken.", 500},
		{"Action=GetUser", wire.Errorf(wireiam.DeleteConflictException, "Not declared."), allow, "Sender DeleteConflict Not declared.", 409},
		{"Action=GetUser", wire.Errorf(wireiam.DeleteConflictException, "Not declared."), func(c *awsquery.Config) { c.Strict = true }, "Receiver InternalFailure An unexpected fault", 500},
		{"Action=GetUser", &wire.Error{Code: wireiam.NoSuchEntityException, Message: "x", Status: 410}, allow, "Sender NoSuchEntity x", 410},
		{"Action=GetUser", errors.New("the disk is full"), allow, "Receiver InternalFailure An unexpected fault happened; the server's log names it under request id the-id.", 500},
		{"Action=GetUser", nil, allow, "Receiver InternalFailure An unexpected fault", 500}, // neither output nor error
		{"Action=GetUser", wire.Errorf(awsjson.AccessDenied, "No."), allow, "Sender AccessDenied No.", 403},
		{"Action=GetUser", wire.Errorf(awsjson.Throttling, "Slowly."), allow, "Sender Throttling Slowly.", 400},
		{"Action=GetUser", wire.Errorf(awsjson.ServiceUnavailable, "Later."), allow, "Receiver ServiceUnavailable Later.", 503},
		{"Action=GetUser&UserName=a+b", nil, allow, "Sender ValidationError 1 validation error detected: Value at 'userName'", 400},
		{"Action=GetUser&UserName.x=1", nil, allow, "Sender MalformedInput The request cannot be read: the parameter UserName has members", 400},
		{"Action=DeleteUser", nil, allow, "Sender ValidationError 1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must not be null", 400},
		{"Action=Nothing", nil, allow, "Sender InvalidAction Could not find operation Nothing for version 2010-05-08.", 400},
		{"", nil, allow, "Sender MissingAction The parameter Action is missing", 400},
		{"Action=GetUser&UserName=a+b", nil, func(c *awsquery.Config) {
			c.Authorize = func(_ context.Context, route awsjson.Route, in wire.Input) error {
				if r, ok := in.(*wireiam.GetUserRequest); !ok || *r.UserName != "a b" || route.Op.Name != "GetUser" {
					return errors.New("asked of something else")
				}
				return wire.Errorf(awsjson.AccessDenied, "Refused first.")
			}
		}, "Sender AccessDenied Refused first.", 403},
	} {
		outcome, w := serve(t, service{user: func() (*wireiam.GetUserResponse, error) { return nil, c.err }}, c.form, c.change)
		var got struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			Error     struct{ Type, Code, Message string }
			RequestID string `xml:"RequestId"`
		}
		body := w.Body.String()
		if err := xml.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		said := got.Error.Type + " " + got.Error.Code + " " + got.Error.Message
		if !strings.HasPrefix(said, c.want) || w.Code != c.status || outcome.Status != c.status || string(outcome.Code) != got.Error.Code || got.RequestID != "the-id" {
			t.Errorf("%s: %d %s, want %d %s (%+v)", c.form, w.Code, said, c.status, c.want, outcome)
		}
		if (outcome.Fault != nil) != (got.Error.Code == "InternalFailure") {
			t.Errorf("%s: the fault is %v", c.form, outcome.Fault)
		}
	}
}

func TestAPanicIsAFault(t *testing.T) {
	t.Parallel()
	outcome, w := serve(t, service{user: func() (*wireiam.GetUserResponse, error) { panic("on purpose") }}, "Action=GetUser", nil)
	if w.Code != 500 || outcome.Fault == nil || !strings.Contains(outcome.Fault.Error(), "on purpose") || strings.Contains(w.Body.String(), "on purpose") {
		t.Errorf("%d %s, %v", w.Code, w.Body, outcome.Fault)
	}
}

// TestAnEndedRequest is no fault of ours.
func TestAnEndedRequest(t *testing.T) {
	t.Parallel()
	h, err := awsquery.New(awsquery.Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	if outcome := h.Refuse(ctx, w, awsjson.Route{}, context.Canceled); outcome.Code != awsjson.ServiceUnavailable || w.Code != 503 {
		t.Errorf("%+v, %d", outcome, w.Code)
	}
}

func TestNewRefusesWhatWouldBeAmbiguous(t *testing.T) {
	t.Parallel()
	described := wireiam.Describe(service{})
	if _, err := awsquery.New(awsquery.Config{Services: []wire.Service{described, described}, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("two services with the same operations were taken")
	}
	if _, err := awsquery.New(awsquery.Config{}); err == nil {
		t.Error("no log was taken")
	}
}
