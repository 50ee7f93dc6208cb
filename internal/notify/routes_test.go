package notify_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"crossfade/internal/notify"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:sns:us-east-1:111122223333:"
	routes := notify.Routes{Mapped: []notify.Route{
		{Name: "everything", Topics: []string{"arn:*"}},
		{Name: "ops", Topics: []string{arn + "ops-*", arn + "alarms"}},
		{Name: "ops too", Topics: []string{arn + "ops-*", arn + "ops-eu"}},
	}}
	for topic, want := range map[string]string{
		arn + "ops-eu": "ops too", arn + "ops-us": "ops", arn + "alarms": "ops", arn + "alarms-2": "everything", arn + "ops": "everything",
	} {
		if r, err := routes.Find(topic); err != nil || r.Name != want {
			t.Errorf("%s goes to %q, %v, want %q", topic, r.Name, err, want)
		}
	}
	sns := notify.Route{Name: "sns"}
	unmapped := notify.Routes{Mapped: routes.Mapped[1:], SNS: &sns}
	if r, err := unmapped.Find(arn + "x"); err != nil || r.Name != "sns" {
		t.Errorf("what is not mapped goes to %q, %v", r.Name, err)
	}
	unmapped.SNS = nil
	if _, err := unmapped.Find(arn + "x"); !notify.IsPermanent(err) || !strings.Contains(err.Error(), arn+"x: name it in the topics") {
		t.Errorf("without SNS: %v", err)
	}
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	inner := errors.New("gone")
	err := fmt.Errorf("send: %w", notify.Permanent(inner))
	if !notify.IsPermanent(err) || !errors.Is(err, inner) || notify.IsPermanent(inner) || notify.Permanent(nil) != nil {
		t.Errorf("%v is not told apart", err)
	}
}
