package alarm

import (
	"errors"
	"slices"
)

// Answer gathers what a source learns name by name, of which some may fail. The zero Answer is ready for use.
type Answer struct {
	states map[string]State
	unread []string
	err    error
}

// Is says the state of an alarm.
func (a *Answer) Is(name string, s State) {
	if a.states == nil {
		a.states = map[string]State{}
	}
	a.states[name] = s
}

// Unreadable says that nothing could be learned about these names.
func (a *Answer) Unreadable(err error, names ...string) {
	a.unread = append(a.unread, names...)
	a.err = errors.Join(a.err, err)
}

// States is the whole, as [Source] returns it. What could not be read makes it an error, unless an alarm is in ALARM: that one decides, whatever
// the others are, so the unreadable ones are then INSUFFICIENT_DATA. Else a source that is down would hide an alarm that another one raised.
func (a *Answer) States() (map[string]State, error) {
	if a.states == nil {
		a.states = map[string]State{}
	}
	if a.err == nil {
		return a.states, nil
	}
	for _, s := range a.states {
		if s == StateAlarm {
			for _, name := range a.unread {
				if _, known := a.states[name]; !known {
					a.states[name] = StateInsufficient
				}
			}
			return a.states, nil
		}
	}
	return nil, a.err
}

// Distinct is the names, each once, in their order: a caller may name an alarm twice, but to ask for it twice would be a waste.
func Distinct(names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
