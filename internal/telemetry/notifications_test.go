package telemetry

import "testing"

func TestNotificationsAreShown(t *testing.T) {
	t.Parallel()
	m := New("v0.1.0")
	count := m.Notifications()
	count("ops", "delivered")
	count("ops", "lost")
	count("ops", "delivered")
	expect(t, m, `crossfade_notifications_total{outcome="delivered",sink="ops"} 2`, `crossfade_notifications_total{outcome="lost",sink="ops"} 1`)
}
