package appspec

import (
	"fmt"
	"maps"
	"slices"
)

// CheckEvents holds the AppSpec against the lifecycle events that a deployment says are all it can have; none means that it does not say.
// It refuses a list that lacks one of [LifecycleEvents], an AppSpec with a hook that the list lacks, and a list with an event of its own for
// which the AppSpec has no hook, as the official agent does at Install. DownloadBundle and Install may be in the list: they have no hooks.
func CheckEvents(s *Spec, all []string) error {
	if len(all) == 0 {
		return nil
	}
	usual := LifecycleEvents()
	for _, name := range usual {
		if !slices.Contains(all, name) {
			return fmt.Errorf("the deployment's list of possible lifecycle events lacks %s: add it to the list", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Hooks)) {
		if !slices.Contains(all, name) {
			return fmt.Errorf("%s has the hook %s, which is no possible lifecycle event of this deployment: remove it, or add it to the events", s.Name, quote(name))
		}
	}
	usual = append(usual, "DownloadBundle", "Install")
	for _, name := range all {
		if _, there := s.Hooks[name]; !there && !slices.Contains(usual, name) {
			return fmt.Errorf("the deployment asks for the lifecycle event %s, for which %s has no hook: add one, or remove the event", quote(name), s.Name)
		}
	}
	return nil
}
