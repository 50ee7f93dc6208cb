package local

import (
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/agent/lifecycle"
)

const (
	downloadBundle = "DownloadBundle"
	installEvent   = "Install"
)

// order is the events to carry out, and which of them are the request's own. Download and installation come first where the request leaves them
// out: nothing else could be done without them. An installation that alone is left out comes as soon as it can.
func order(asked []string) (events, custom []string, err error) {
	all := lifecycle.Events()
	if len(asked) == 0 {
		return all, nil, nil
	}
	early := []string{"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop"}
	beforeInstall := append(slices.Clone(early), downloadBundle, "BeforeInstall")
	switch download, install := slices.Contains(asked, downloadBundle), slices.Contains(asked, installEvent); {
	case !download && !install:
		asked = append([]string{downloadBundle, installEvent}, asked...)
	case !download:
		asked = append([]string{downloadBundle}, asked...)
	case !install:
		at := slices.IndexFunc(asked, func(name string) bool { return !slices.Contains(beforeInstall, name) })
		if at < 0 {
			at = len(asked)
		}
		asked = slices.Insert(slices.Clone(asked), max(at, slices.Index(asked, downloadBundle)+1), installEvent)
	}
	for i, name := range asked {
		switch {
		case name == "":
			return nil, nil, fmt.Errorf("the list of events has an empty name")
		case slices.Contains(asked[:i], name):
			return nil, nil, fmt.Errorf("the event %s is in the list twice", name)
		case !slices.Contains(all, name):
			custom = append(custom, name)
		}
	}
	downloaded := slices.Index(asked, downloadBundle)
	if bad := misplaced(asked[:downloaded], early); bad != "" {
		return nil, nil, fmt.Errorf("the only events that can come before %s are %s: move %s behind it", downloadBundle, strings.Join(early, ", "), bad)
	}
	if bad := misplaced(asked[:slices.Index(asked, installEvent)], beforeInstall); bad != "" {
		return nil, nil, fmt.Errorf("the only events that can come before %s are %s: move %s behind it", installEvent, strings.Join(beforeInstall, ", "), bad)
	}
	return asked, custom, nil
}

// misplaced is the first event that is not among the ones allowed; empty: none.
func misplaced(events, allowed []string) string {
	for _, name := range events {
		if !slices.Contains(allowed, name) {
			return name
		}
	}
	return ""
}
