package alarm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/alarm"
)

// known answers with what it has.
type known map[string]alarm.State

func (k known) States(_ context.Context, names []string) (map[string]alarm.State, error) {
	out := map[string]alarm.State{}
	for _, name := range names {
		if s, ok := k[name]; ok {
			out[name] = s
		}
	}
	return out, nil
}

// failing can't be read.
type failing struct{ err error }

func (f failing) States(context.Context, []string) (map[string]alarm.State, error) { return nil, f.err }

// listening notes what it is asked.
type listening struct {
	alarm.Source
	asked *[]string
}

func (l listening) States(ctx context.Context, names []string) (map[string]alarm.State, error) {
	*l.asked = append(*l.asked, names...)
	return l.Source.States(ctx, names)
}

func TestTheFirstSourceThatKnowsANameAnswers(t *testing.T) {
	t.Parallel()
	denied := failing{fmt.Errorf("sign in: %w", alarm.ErrDenied)}
	throttled := failing{fmt.Errorf("slow down: %w", alarm.ErrThrottled)}
	for name, c := range map[string]struct {
		sources []alarm.Source
		names   []string
		want    map[string]alarm.State
		is      []error
		warns   bool
	}{
		"no sources":                    {nil, []string{"a"}, map[string]alarm.State{}, nil, false},
		"no names":                      {[]alarm.Source{denied}, nil, map[string]alarm.State{}, nil, false},
		"nobody knows it":               {[]alarm.Source{known{"a": alarm.StateOK}, known{}}, []string{"b"}, map[string]alarm.State{}, nil, false},
		"each its own":                  {[]alarm.Source{known{"a": alarm.StateOK}, known{"b": alarm.StateAlarm}}, []string{"b", "a", "b"}, map[string]alarm.State{"a": alarm.StateOK, "b": alarm.StateAlarm}, nil, false},
		"the first wins":                {[]alarm.Source{known{"a": alarm.StateOK}, known{"a": alarm.StateAlarm}}, []string{"a"}, map[string]alarm.State{"a": alarm.StateOK}, nil, false},
		"a spare":                       {[]alarm.Source{denied, known{"a": alarm.StateOK}}, []string{"a"}, map[string]alarm.State{"a": alarm.StateOK}, nil, true},
		"the failing one is not needed": {[]alarm.Source{known{"a": alarm.StateOK}, denied}, []string{"a"}, map[string]alarm.State{"a": alarm.StateOK}, nil, false},
		"the failing one may know it":   {[]alarm.Source{denied, known{"a": alarm.StateOK}}, []string{"a", "b"}, nil, []error{alarm.ErrDenied}, false},
		"the later one may know it":     {[]alarm.Source{known{"a": alarm.StateOK}, throttled}, []string{"a", "b"}, nil, []error{alarm.ErrThrottled}, false},
		"all fail":                      {[]alarm.Source{throttled, denied}, []string{"a"}, nil, []error{alarm.ErrDenied, alarm.ErrThrottled}, false},
		"what is raised decides":        {[]alarm.Source{throttled, known{"a": alarm.StateAlarm}}, []string{"a", "b"}, map[string]alarm.State{"a": alarm.StateAlarm, "b": alarm.StateInsufficient}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			j := alarm.Joined{Log: slog.New(slog.NewTextHandler(&log, nil))}
			for i, s := range c.sources {
				j.Sources = append(j.Sources, alarm.Named{Name: fmt.Sprintf("source %d", i), Source: s})
			}
			got, err := j.States(t.Context(), c.names)
			if !maps.Equal(got, c.want) || (err != nil) != (c.is != nil) {
				t.Errorf("got %v, %v", got, err)
			}
			for _, is := range c.is {
				if !errors.Is(err, is) || !strings.Contains(fmt.Sprint(err), "source ") {
					t.Errorf("%v is not %v of a source", err, is)
				}
			}
			if warns := log.Len() > 0; warns != c.warns {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}

func TestASourceIsAskedOnlyForWhatIsLeft(t *testing.T) {
	t.Parallel()
	var first, second, third []string
	j := alarm.Joined{Sources: []alarm.Named{
		{Name: "1", Source: listening{known{"a": alarm.StateOK}, &first}},
		{Name: "2", Source: listening{known{"b": alarm.StateOK, "c": alarm.StateOK}, &second}},
		{Name: "3", Source: listening{known{}, &third}},
	}}
	if _, err := j.States(t.Context(), []string{"c", "a", "b", "a"}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first, []string{"c", "a", "b"}) || !slices.Equal(second, []string{"c", "b"}) || third != nil {
		t.Errorf("asked %v, %v, %v", first, second, third)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := j.States(stopped, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone gets %v", err)
	}
}
