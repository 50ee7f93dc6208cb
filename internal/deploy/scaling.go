package deploy

import "slices"

// ScalingHook names the places at which the instances of a group's Auto Scaling group wait for a deployment: after they were launched and, where
// the group asks for it, before they end.
type ScalingHook struct {
	AutoScalingGroup string `json:"autoScalingGroup"`
	Launch           string `json:"launch"`
	Termination      string `json:"termination,omitempty"`
}

// What the names of hooks begin with, followed by the deployment group's name and a UUID (user guide, Auto Scaling integration).
const (
	launchHookPrefix      = "CodeDeploy-managed-automatic-launch-deployment-hook-"
	terminationHookPrefix = "CodeDeploy-managed-automatic-termination-deployment-hook-"
)

// SettleHooks gives each Auto Scaling group of the settings its hooks, keeping those that are there, and returns the ones that are no longer
// wanted: a removed hook has the names that are to go. name is the deployment group's, newID draws UUIDs.
func (s *GroupSettings) SettleHooks(name string, newID func() string) (removed []ScalingHook) {
	var hooks []ScalingHook
	for _, asg := range s.Selection.AutoScalingGroups {
		h := ScalingHook{AutoScalingGroup: asg}
		if i := slices.IndexFunc(s.Hooks, func(h ScalingHook) bool { return h.AutoScalingGroup == asg }); i >= 0 {
			h = s.Hooks[i]
		}
		if h.Launch == "" {
			h.Launch = launchHookPrefix + name + "-" + newID()
		}
		switch {
		case s.TerminationHook && h.Termination == "":
			h.Termination = terminationHookPrefix + name + "-" + newID()
		case !s.TerminationHook && h.Termination != "":
			removed = append(removed, ScalingHook{AutoScalingGroup: asg, Termination: h.Termination})
			h.Termination = ""
		}
		hooks = append(hooks, h)
	}
	for _, h := range s.Hooks {
		if !slices.Contains(s.Selection.AutoScalingGroups, h.AutoScalingGroup) {
			removed = append(removed, h)
		}
	}
	s.Hooks = hooks
	return removed
}

// ReplaceAutoScalingGroups points the settings at other Auto Scaling groups; each takes over the hooks of the one in its place.
func (s *GroupSettings) ReplaceAutoScalingGroups(groups []string) {
	for i := range s.Hooks {
		if i < len(groups) {
			s.Hooks[i].AutoScalingGroup = groups[i]
		}
	}
	s.Hooks = s.Hooks[:min(len(s.Hooks), len(groups))]
	s.Selection.AutoScalingGroups = groups
}
