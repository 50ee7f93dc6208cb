package local_test

import (
	"testing"

	"crossfade/internal/fleet/fleettest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	fleettest.Run(t, func(t *testing.T) fleettest.World {
		tpl := template()
		tpl.Zones = []string{"a", "b"}
		w := open(t, 2, tpl)
		return fleettest.World{
			Driver: w, Account: account, Group: "web", Size: 2, Zones: true, Step: w.step,
			Resize: func(t *testing.T, group string, size int) { must(t, w.SetSize(t.Context(), account, group, size)) },
		}
	})
}
