package follow_test

import (
	"sync/atomic"
	"testing"

	"crossfade/internal/follow"
	"crossfade/internal/traffic/builtin"
	"crossfade/internal/traffic/traffictest"
)

// TestConformance holds the driver to the contract with two proxies. Requests go to one and the other in turn.
func TestConformance(t *testing.T) {
	t.Parallel()
	traffictest.Run(t, func(t *testing.T) *traffictest.Fixture {
		p := newPlane(t, builtin.Rules{})
		names, dirs := [2]string{"edge-1", "edge-2"}, [2]string{t.TempDir(), t.TempDir()}
		var followers [2]*follow.Follower
		var lines [2]*line
		start := func() {
			for i := range followers {
				followers[i], lines[i] = p.open(t, names[i], dirs[i])
			}
		}
		start()
		var turn atomic.Int64
		return &traffictest.Fixture{
			Router: p.router(), TargetGroups: []string{"blue", "green"},
			URL: func(g string) string {
				return "http://" + followers[turn.Add(1)%2].ListenerAddress(g)
			},
			Restart: func(f *traffictest.Fixture) {
				for i := range followers {
					kill(t, followers[i], lines[i])
				}
				p.end()
				p.begin()
				start()
				f.Router = p.router()
			},
		}
	})
}
