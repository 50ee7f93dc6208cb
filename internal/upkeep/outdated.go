package upkeep

import (
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
)

const (
	// updateOutdated is the outdatedInstancesStrategy that brings instances up to date, and the default.
	updateOutdated = "UPDATE"
	// maxRounds bounds the follow-ups that fail one after the other.
	maxRounds = 5
	// firstPause is the time after a follow-up that failed before the next; it doubles with each.
	firstPause = time.Minute
)

// keepsUp reports whether the group's instances are to get its revision by themselves, now. A group without a successful deployment has none to
// give; one with a deployment under way is looked at when that has ended.
//
// Of a blue/green group the environment that serves must be what its settings select: its Auto Scaling group, which is replaced with each
// deployment. Tags select the idle environment as well, which is not to be touched.
func keepsUp(g deploy.Group) bool {
	s := g.Settings
	if s.OutdatedInstances != "" && s.OutdatedInstances != updateOutdated {
		return false
	}
	if g.TargetRevision == nil || g.LastSuccessful == nil || g.Active != "" || g.Environment != "" || s.Selection.Empty() || len(s.ECSServices) > 0 {
		return false
	}
	if s.Style.Type != deploy.StyleBlueGreen {
		return true
	}
	return s.BlueGreen != nil && s.BlueGreen.Provisioning == deploy.ProvisionCopyAutoScaler && !byTags(s.Selection)
}

// byTags reports whether the selection picks instances by their tags.
func byTags(s deploy.Selection) bool {
	s.AutoScalingGroups = nil
	return !s.Empty()
}

// history is what went before in a group.
type history struct {
	last      deploy.Spec // of its last successful deployment; zero: not known any more
	attempted deploy.Spec // of the last one; zero: not known any more
	rounds    int         // follow-ups since the last success, none of which succeeded
}

// root is the deployment whose revision follow-ups bring.
func (h history) root(g deploy.Group) string {
	if h.last.Root != "" {
		return h.last.Root
	}
	return g.LastSuccessful.ID
}

// waits reports whether no follow-up is to be made now. Follow-ups that fail come more and more slowly and then not at all, until a deployment
// succeeds; one that was stopped was not wanted.
func (h history) waits(g deploy.Group, now time.Time) bool {
	if l := g.LastAttempted; l != nil && l.Status == deploy.StatusStopped && h.attempted.Root == h.root(g) {
		return true
	}
	if h.rounds == 0 {
		return false
	}
	return h.rounds >= maxRounds || g.LastAttempted != nil && now.Before(g.LastAttempted.CompletedAt.Add(firstPause<<(h.rounds-1)))
}

// settled reports whether nothing but the group's revision was deployed since its last success.
func (h history) settled(g deploy.Group) bool {
	return g.LastAttempted == nil || g.LastAttempted.ID == g.LastSuccessful.ID || h.attempted.Revision.Key() == g.TargetRevision.Key()
}

// outdated names those of the instances that are to get the group's revision: it was never tried on them, successfully or not. settled says that
// nothing else was deployed since the group's last success. If something was, and failed, what it left on the instances that it reached is not for a
// follow-up to take back: that would be a rollback which nobody asked for.
func outdated(g deploy.Group, found []fleet.Instance, states []deploy.InstanceState, settled bool) []string {
	known := make(map[string]deploy.InstanceState, len(states))
	for _, s := range states {
		known[s.Instance] = s
	}
	target := g.TargetRevision.Key()
	var names []string
	for _, i := range found {
		s, deployed := known[i.Name]
		tried := deployed && (s.Attempted == target || s.Current(target))
		left := deployed && !settled && s.At.After(g.LastSuccessful.CompletedAt)
		if !tried && !left {
			names = append(names, i.Name)
		}
	}
	return names[:min(len(names), deploy.MaxInstances)]
}
