package upkeep

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func revision(key string) deploy.Revision {
	return deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: key, BundleType: "zip"}}
}

// deployedTo is a group whose last deployment, d-LAST, brought v2 and ended at noon.
func deployedTo(change ...func(*deploy.Group)) deploy.Group {
	v2 := revision("v2")
	last := deploy.DeploymentRef{ID: "d-LAST", Status: deploy.StatusSucceeded, CreatedAt: noon.Add(-time.Minute), CompletedAt: noon}
	g := deploy.Group{
		ID: "g", Account: "1", Application: "shop", Name: "web", TargetRevision: &v2, LastSuccessful: &last, LastAttempted: &last,
		Settings: deploy.GroupSettings{
			Config: "Mine", Style: deploy.Style{Type: deploy.StyleInPlace},
			Selection: deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "web", Type: deploy.KeyOnly}}},
		},
	}
	for _, c := range change {
		c(&g)
	}
	return g
}

func TestWhichGroupsKeepUp(t *testing.T) {
	t.Parallel()
	blueGreen := func(provisioning string) func(*deploy.Group) {
		return func(g *deploy.Group) {
			g.Settings.Style.Type = deploy.StyleBlueGreen
			g.Settings.BlueGreen = &deploy.BlueGreenSettings{Provisioning: provisioning}
			g.Settings.Selection = deploy.Selection{AutoScalingGroups: []string{"asg"}}
		}
	}
	for name, c := range map[string]struct {
		change func(*deploy.Group)
		want   bool
	}{
		"by default":                   {func(*deploy.Group) {}, true},
		"UPDATE":                       {func(g *deploy.Group) { g.Settings.OutdatedInstances = "UPDATE" }, true},
		"IGNORE":                       {func(g *deploy.Group) { g.Settings.OutdatedInstances = "IGNORE" }, false},
		"never deployed to":            {func(g *deploy.Group) { g.TargetRevision, g.LastSuccessful = nil, nil }, false},
		"a deployment under way":       {func(g *deploy.Group) { g.Active = "d-NOW" }, false},
		"an environment of its own":    {func(g *deploy.Group) { g.Environment = "d-LAST" }, false},
		"selects nothing":              {func(g *deploy.Group) { g.Settings.Selection = deploy.Selection{} }, false},
		"of another platform":          {func(g *deploy.Group) { g.Settings.ECSServices = []deploy.ECSService{{}} }, false},
		"an Auto Scaling group":        {func(g *deploy.Group) { g.Settings.Selection = deploy.Selection{AutoScalingGroups: []string{"asg"}} }, true},
		"blue/green, discovered":       {blueGreen(deploy.ProvisionDiscover), false},
		"blue/green, without settings": {func(g *deploy.Group) { blueGreen("")(g); g.Settings.BlueGreen = nil }, false},
		"blue/green, copied":           {blueGreen(deploy.ProvisionCopyAutoScaler), true},
		"blue/green, copied, moved":    {func(g *deploy.Group) { blueGreen(deploy.ProvisionCopyAutoScaler)(g); g.Environment = "d-OLD" }, false},
		"blue/green, copied, and tagged": {func(g *deploy.Group) {
			blueGreen(deploy.ProvisionCopyAutoScaler)(g)
			g.Settings.Selection.EC2Filters = []deploy.TagFilter{{}}
		}, false},
	} {
		if got := keepsUp(deployedTo(c.change)); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestWhichInstancesAreOutdated(t *testing.T) {
	t.Parallel()
	key := func(k string) string { return revision(k).Key() }
	before, after := noon.Add(-time.Hour), noon.Add(time.Hour)
	for name, c := range map[string]struct {
		state     *deploy.InstanceState
		unsettled bool
		want      bool
	}{
		"nothing was deployed to it":                       {nil, false, true},
		"nor while something else failed":                  {nil, true, true},
		"it has the revision":                              {&deploy.InstanceState{Revision: key("v2"), Attempted: key("v2"), Healthy: true, At: before}, false, false},
		"it has an older one":                              {&deploy.InstanceState{Revision: key("v1"), Attempted: key("v1"), Healthy: true, At: before}, false, true},
		"it failed with an older one":                      {&deploy.InstanceState{Attempted: key("v1"), At: before}, false, true},
		"it failed with this one":                          {&deploy.InstanceState{Revision: key("v1"), Attempted: key("v2"), At: before}, false, false},
		"it has it, and failed with another":               {&deploy.InstanceState{Revision: key("v2"), Attempted: key("v1"), At: before}, false, false},
		"launched with the older one, late":                {&deploy.InstanceState{Revision: key("v1"), Attempted: key("v1"), Healthy: true, At: after}, false, true},
		"a deployment that failed left a newer one":        {&deploy.InstanceState{Revision: key("v3"), Attempted: key("v3"), Healthy: true, At: after}, true, false},
		"a deployment that failed, failed on it":           {&deploy.InstanceState{Revision: key("v1"), Attempted: key("v3"), At: after}, true, false},
		"a deployment that failed did not come that far":   {&deploy.InstanceState{Revision: key("v1"), Attempted: key("v1"), Healthy: true, At: before}, true, true},
		"a deployment that failed left what it has anyway": {&deploy.InstanceState{Revision: key("v2"), Attempted: key("v2"), Healthy: true, At: before}, true, false},
	} {
		var states []deploy.InstanceState
		if c.state != nil {
			c.state.Instance = "i"
			states = []deploy.InstanceState{{Instance: "another"}, *c.state}
		}
		got := outdated(deployedTo(), []fleet.Instance{{Name: "i"}}, states, !c.unsettled)
		if (len(got) == 1) != c.want {
			t.Errorf("%s: %v, want %t", name, got, c.want)
		}
	}
}

func TestAFollowUpTakesNoMoreThanADeploymentCan(t *testing.T) {
	t.Parallel()
	if got := outdated(deployedTo(), make([]fleet.Instance, deploy.MaxInstances+1), nil, true); len(got) != deploy.MaxInstances {
		t.Errorf("%d instances", len(got))
	}
}

func TestSettledIsWhenOnlyTheRevisionWasDeployed(t *testing.T) {
	t.Parallel()
	other := func(g *deploy.Group) {
		g.LastAttempted = &deploy.DeploymentRef{ID: "d-NEXT", Status: deploy.StatusFailed}
	}
	for name, c := range map[string]struct {
		g         deploy.Group
		attempted deploy.Spec
		want      bool
	}{
		"the last attempt succeeded":               {deployedTo(), deploy.Spec{}, true},
		"nothing was attempted":                    {deployedTo(func(g *deploy.Group) { g.LastAttempted = nil }), deploy.Spec{}, true},
		"the same revision failed":                 {deployedTo(other), deploy.Spec{Revision: revision("v2")}, true},
		"another revision failed":                  {deployedTo(other), deploy.Spec{Revision: revision("v3")}, false},
		"what failed is not known any more":        {deployedTo(other), deploy.Spec{}, false},
		"the last attempt is not known, but is it": {deployedTo(), deploy.Spec{Revision: revision("v3")}, true},
	} {
		if got := (history{attempted: c.attempted}).settled(c.g); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestFollowUpsThatFailComeMoreSlowlyAndThenNotAtAll(t *testing.T) {
	t.Parallel()
	ended := func(status deploy.Status) deploy.Group {
		return deployedTo(func(g *deploy.Group) {
			g.LastAttempted = &deploy.DeploymentRef{ID: "d-FOLLOW", Status: status, CompletedAt: noon}
		})
	}
	follow, users := deploy.Spec{Root: "d-LAST"}, deploy.Spec{}
	for name, c := range map[string]struct {
		h     history
		g     deploy.Group
		after time.Duration
		want  bool
	}{
		"none failed":                      {history{}, deployedTo(), 0, false},
		"one failed just now":              {history{rounds: 1, attempted: follow}, ended(deploy.StatusFailed), 59 * time.Second, true},
		"one failed a minute ago":          {history{rounds: 1, attempted: follow}, ended(deploy.StatusFailed), time.Minute, false},
		"four failed, not long ago":        {history{rounds: 4, attempted: follow}, ended(deploy.StatusFailed), 8*time.Minute - 1, true},
		"four failed":                      {history{rounds: 4, attempted: follow}, ended(deploy.StatusFailed), 8 * time.Minute, false},
		"five failed":                      {history{rounds: 5, attempted: follow}, ended(deploy.StatusFailed), time.Hour, true},
		"it was stopped":                   {history{rounds: 1, attempted: follow}, ended(deploy.StatusStopped), time.Hour, true},
		"a deployment of users was":        {history{attempted: users}, ended(deploy.StatusStopped), 0, false},
		"and one of ours failed before it": {history{rounds: 1, attempted: users}, ended(deploy.StatusStopped), time.Minute, false},
	} {
		if got := c.h.waits(c.g, noon.Add(c.after)); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	is := func(s deploy.Status) *deploy.Deployment { return &deploy.Deployment{State: deploy.State{Status: s}} }
	launch, end := owner{group: deployedTo()}, owner{group: deployedTo(), termination: true}
	never := owner{group: deployedTo(func(g *deploy.Group) { g.TargetRevision, g.LastSuccessful = nil, nil })}
	host := fleet.Waiting{Instance: fleet.Instance{Name: "i", Host: "arn"}}
	for name, c := range map[string]struct {
		o        owner
		w        fleet.Waiting
		d        *deploy.Deployment
		deployed bool
		want     answer
	}{
		"launched":                          {launch, host, nil, false, begin},
		"launched, not registered yet":      {launch, fleet.Waiting{}, nil, false, stay},
		"launched before there is anything": {never, host, nil, false, proceed},
		"created":                           {launch, host, is(deploy.StatusCreated), false, hold},
		"in progress":                       {launch, host, is(deploy.StatusInProgress), false, hold},
		"deployed":                          {launch, host, is(deploy.StatusSucceeded), true, proceed},
		"failed":                            {launch, host, is(deploy.StatusFailed), true, abandon},
		"stopped":                           {launch, host, is(deploy.StatusStopped), true, abandon},
		"ends":                              {end, host, nil, true, begin},
		"ends with nothing on it":           {end, host, nil, false, proceed},
		"ends without an agent":             {end, fleet.Waiting{}, nil, true, proceed},
		"is being retired":                  {end, host, is(deploy.StatusInProgress), true, hold},
		"is retired":                        {end, host, is(deploy.StatusSucceeded), true, proceed},
		"could not be retired":              {end, host, is(deploy.StatusFailed), true, proceed},
	} {
		if got := answerTo(c.o, c.w, c.d, c.deployed); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestSpecs holds what the three deployments take over from the group and what they do not.
func TestSpecs(t *testing.T) {
	t.Parallel()
	g := deployedTo(func(g *deploy.Group) {
		g.Tags = map[string]string{deploy.WhenBusyTag: deploy.WhenBusyQueue}
		g.Settings.Style = deploy.Style{Type: deploy.StyleBlueGreen, Option: deploy.WithTrafficControl}
		g.Settings.LoadBalancer = &deploy.LoadBalancer{TargetGroups: []string{"tg"}}
		g.Settings.BlueGreen = &deploy.BlueGreenSettings{Provisioning: deploy.ProvisionCopyAutoScaler}
		g.Settings.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnFailure}}
		g.Settings.Alarms = &deploy.AlarmSettings{Enabled: true, Names: []string{"a"}}
	})
	c := deploy.Config{Name: "Mine", MinimumHealthy: &deploy.HealthyHosts{Type: deploy.FleetPercent, Value: 50}}
	h := history{last: deploy.Spec{FileExists: "OVERWRITE", Root: "d-ROOT"}}
	specs := map[string]deploy.Spec{
		"follow-up": followUpSpec(g, c, h, []string{"i"}, "d-1"),
		"launch":    launchSpec(g, h.last, "i", "d-1"),
		"retire":    retireSpec(g, h.last, "i", "d-1"),
	}
	kinds := map[string]deploy.Kind{"follow-up": deploy.KindInPlaceTraffic, "launch": deploy.KindInPlaceTraffic, "retire": deploy.KindRetireTraffic}
	creators := map[string]string{"follow-up": deploy.CreatorAutoUpdate, "launch": deploy.CreatorAutoScaling, "retire": deploy.CreatorAutoRetire}
	for name, s := range specs {
		if s.ID != "d-1" || s.Kind != kinds[name] || s.Creator != creators[name] || s.Config != "Mine" || s.FileExists != "OVERWRITE" {
			t.Errorf("%s: %+v", name, s)
		}
		if s.AutoRollback != nil || s.RollbackID != "" || s.Queue || s.BlueGreen != nil || !slices.Equal(s.Only, []string{"i"}) || s.Revision.Key() != g.TargetRevision.Key() {
			t.Errorf("%s: %+v", name, s)
		}
		ours := name == "follow-up"
		if s.Beside() == ours || (s.Watch != nil) != ours || s.UpdateOutdatedOnly != ours || (s.Root == "d-ROOT") != ours || (s.MinimumHealthy == *c.MinimumHealthy) != ours {
			t.Errorf("%s: %+v", name, s)
		}
		if s.IgnoreApplicationStopFailures != (name == "retire") {
			t.Errorf("%s ignores failures of ApplicationStop: %t", name, s.IgnoreApplicationStopFailures)
		}
	}
	g.Environment = "d-OTHER"
	if s := launchSpec(g, h.last, "i", "d-1"); s.Kind != deploy.KindInPlace {
		t.Errorf("an instance beside the environment that serves is put into traffic: %s", s.Kind)
	}
	g.Settings.LoadBalancer = nil
	if s := retireSpec(g, h.last, "i", "d-1"); s.Kind != deploy.KindRetire {
		t.Errorf("retired without a balancer: %s", s.Kind)
	}
	if root := (history{}).root(g); root != "d-LAST" {
		t.Errorf("the root is %s", root)
	}
}

func TestIDsAreThoseOfDeploymentsAndOfWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^d-[A-Z0-9]{9}$`)
	g, w := deployedTo(), fleet.Waiting{Group: "asg", Hook: fleet.Hook{Name: "h"}, Instance: fleet.Instance{Name: "i"}, Token: "t"}
	seen := map[string]string{}
	for name, id := range map[string]string{
		"itself":           besideID(g, w, 0),
		"the next":         besideID(g, w, 1),
		"another instance": besideID(g, fleet.Waiting{Group: "asg", Hook: w.Hook, Instance: fleet.Instance{Name: "j"}, Token: "t"}, 0),
		"another hook":     besideID(g, fleet.Waiting{Group: "asg", Hook: fleet.Hook{Name: "h2"}, Instance: w.Instance, Token: "t"}, 0),
		"another wait":     besideID(g, fleet.Waiting{Group: "asg", Hook: w.Hook, Instance: w.Instance, Token: "t2"}, 0),
		"another asg":      besideID(g, fleet.Waiting{Group: "asg2", Hook: w.Hook, Instance: w.Instance, Token: "t"}, 0),
		"another group":    besideID(deployedTo(func(g *deploy.Group) { g.ID = "g2" }), w, 0),
	} {
		if !form.MatchString(id) {
			t.Errorf("%s: %q has not the form of an id", name, id)
		}
		if other := seen[id]; other != "" {
			t.Errorf("%s and %s are both %s", name, other, id)
		}
		seen[id] = name
	}
	w.Instance.Host, w.Hook.Termination = "arn", false
	if besideID(g, w, 0) != besideID(deployedTo(), w, 0) {
		t.Error("an id is not drawn twice")
	}
}

func TestErrorsAreCutShort(t *testing.T) {
	t.Parallel()
	problem := func(n int) []error { return slices.Repeat([]error{errors.New("x")}, n) }
	if some(nil) != nil {
		t.Error("no problem is an error")
	}
	if got := some(problem(5)).Error(); got != "x\nx\nx\nx\nx" {
		t.Errorf("five: %q", got)
	}
	if got := some(problem(9)).Error(); got != "x\nx\nx\nx\nx\nand 4 more" {
		t.Errorf("nine: %q", got)
	}
}
