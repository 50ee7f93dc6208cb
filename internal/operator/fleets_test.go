package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/fleet"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
)

// sizes is a fleet with the group web.
type sizes struct{ size int }

func (s *sizes) Sizes(_ context.Context, account string) ([]fleet.Size, error) {
	if account != "000000000000" {
		return nil, nil
	}
	members := []fleet.Member{{Instance: fleet.Instance{Name: "web-1", Zone: "a"}, State: fleet.MemberInService}, {Instance: fleet.Instance{Name: "web-2"}, State: fleet.MemberPending}}
	return []fleet.Size{{Group: fleet.Group{Name: "web", Desired: s.size, Members: members}, Origin: "web", Problems: []string{"Instance web-2: no room."}}}, nil
}

func (s *sizes) SetSize(_ context.Context, _, name string, size int) error {
	switch {
	case name != "web":
		return fmt.Errorf("look: %w", fleet.ErrUnknownGroup)
	case size < 0 || size > 9:
		return &fleet.SizeError{Text: "too many or too few"}
	}
	s.size = size
	return nil
}

func serveFleets(t *testing.T, f fleet.Sizes) *Client {
	t.Helper()
	h, err := awsjson.New(awsjson.Config{
		Services: []wire.Service{Describe(&Service{Fleets: f})}, Strict: true, Log: slog.New(slog.DiscardHandler), NewRequestID: func() string { return "id" },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		root := auth.Caller{Principal: auth.Principal{ARN: auth.RootARN("000000000000"), Account: "000000000000", Kind: auth.Root}}
		h.ServeHTTP(w, q.WithContext(auth.WithCaller(q.Context(), root)))
	}))
	t.Cleanup(s.Close)
	return &Client{Endpoint: s.URL, Region: "eu-test-1", Credential: sigv4.Credential{AccessKeyID: "A", SecretAccessKey: "B"}, HTTP: s.Client(), Now: time.Now}
}

func TestFleetsAreListedAndSized(t *testing.T) {
	t.Parallel()
	c := serveFleets(t, &sizes{size: 2})
	if err := c.SetFleetSize(t.Context(), SetFleetSizeInput{Name: new("web"), Size: new(int64(3))}); err != nil {
		t.Fatal(err)
	}
	out, err := c.ListFleets(t.Context())
	want := []FleetStatus{{
		Name: "web", Origin: "web", Size: 3, InService: 1, Problems: []string{"Instance web-2: no room."},
		Instances: []FleetMember{{Name: "web-1", State: "InService", Zone: "a"}, {Name: "web-2", State: "Pending"}},
	}}
	if err != nil || !reflect.DeepEqual(out.Fleets, want) {
		t.Errorf("got %+v, %v", out.Fleets, err)
	}
}

func TestASizeThatCanNotBeIsRefused(t *testing.T) {
	t.Parallel()
	c := serveFleets(t, &sizes{})
	none := serveFleets(t, nil)
	for _, tt := range []struct {
		client *Client
		in     SetFleetSizeInput
		code   string
	}{
		{c, SetFleetSizeInput{Size: new(int64(1))}, "ValidationException"},
		{c, SetFleetSizeInput{Name: new("web")}, "ValidationException"},
		{c, SetFleetSizeInput{Name: new("nope"), Size: new(int64(1))}, "FleetDoesNotExistException"},
		{c, SetFleetSizeInput{Name: new("web"), Size: new(int64(-1 << 40))}, "InvalidFleetSizeException"},
		{c, SetFleetSizeInput{Name: new("web"), Size: new(int64(1 << 40))}, "InvalidFleetSizeException"},
		{none, SetFleetSizeInput{Name: new("web"), Size: new(int64(1))}, "FleetDoesNotExistException"},
	} {
		var refused *Refusal
		if err := tt.client.SetFleetSize(t.Context(), tt.in); !errors.As(err, &refused) || refused.Code != tt.code {
			t.Errorf("%+v: %v, want %s", tt.in, err, tt.code)
		}
	}
	if out, err := none.ListFleets(t.Context()); err != nil || len(out.Fleets) != 0 {
		t.Errorf("a server without fleets has %+v, %v", out, err)
	}
}
