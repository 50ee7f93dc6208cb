package alarm

import (
	"context"
	"fmt"
	"log/slog"
)

// Joined makes several sources one. Each name is answered by the first source, in order, that knows it; the later ones are not asked for it. A
// source that can't be read is passed over: its error counts only when a name is left that none of the others knew, as the one that can't be
// read may know it. So a second source of the same alarms is a spare, and a source that is down blocks no deployment whose alarms are elsewhere.
type Joined struct {
	Sources []Named
	// Log gets a line for a source that was passed over without harm, which nobody would hear of otherwise; nil: none.
	Log *slog.Logger
}

// Named is a source with the name that messages call it by.
type Named struct {
	Name string
	Source
}

var _ Source = Joined{}

// States implements [Source].
func (j Joined) States(ctx context.Context, names []string) (map[string]State, error) {
	var out Answer
	left := Distinct(names)
	for _, s := range j.Sources {
		if len(left) == 0 {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("ask %s for alarms: %w", s.Name, err)
		}
		states, err := s.States(ctx, left)
		if err != nil {
			out.Unreadable(fmt.Errorf("%s: %w", s.Name, err))
			continue
		}
		var unknown []string
		for _, name := range left {
			if state, known := states[name]; known {
				out.Is(name, state)
			} else {
				unknown = append(unknown, name)
			}
		}
		left = unknown
	}
	missed := out.err
	if len(left) == 0 {
		out.err = nil
	}
	out.unread = left
	states, err := out.States()
	if err == nil && missed != nil && j.Log != nil {
		j.Log.Warn("an alarm source could not be read and was passed over", "error", missed)
	}
	return states, err
}
