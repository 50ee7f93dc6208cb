package deploy

// Take fills in what a deployment takes over from its group and from the deployment config that it uses, which it keeps whatever becomes of
// them. What the deployment says itself (AutoRollback, Alarms) goes before what the group says. last is the spec of the group's last
// successful deployment, zero when there is none or it is not known any more.
func (s *Spec) Take(g Group, c Config, last Spec) {
	set := g.Settings
	s.Account, s.ApplicationID, s.Application, s.GroupID, s.Group = g.Account, g.ApplicationID, g.Application, g.ID, g.Name
	s.Kind = kindOf(set, c)
	s.Config, s.Zonal = c.Name, c.Zonal
	if s.Kind == KindBlueGreenShift {
		s.Routing = c.Routing
	}
	if c.MinimumHealthy != nil {
		s.MinimumHealthy = *c.MinimumHealthy
	}
	s.Style, s.BlueGreen, s.LoadBalancer = set.Style, set.BlueGreen, set.LoadBalancer
	s.GroupSelection, s.Environment = set.Selection, g.Environment
	s.Triggers, s.Hooks, s.Queue = set.Triggers, set.Hooks, g.Queues()
	if s.AutoRollback == nil {
		s.AutoRollback = set.AutoRollback
	}
	if s.Watch = set.Alarms; s.Alarms != nil {
		s.Watch = s.Alarms
	}
	s.Previous = g.Previous(last)
}

// TakeInPlace is Take for a deployment to single instances of the group, which has no replacement environment whatever the group's style is.
func (s *Spec) TakeInPlace(g Group, c Config, last Spec) {
	s.Take(g, c, last)
	s.Kind, s.Routing, s.BlueGreen, s.Zonal = inPlaceKind(g.Settings), nil, nil, nil
	s.Style.Type = StyleInPlace
}

// kindOf says which plan the settings and the config ask for.
func kindOf(s GroupSettings, c Config) Kind {
	switch {
	case s.Style.Type == StyleBlueGreen && c.Routing.InSteps():
		return KindBlueGreenShift
	case s.Style.Type == StyleBlueGreen:
		return KindBlueGreen
	default:
		return inPlaceKind(s)
	}
}

// inPlaceKind has traffic events only when there is a balancer to carry them out.
func inPlaceKind(s GroupSettings) Kind {
	if s.Style.Option == WithTrafficControl && len(s.LoadBalancer.Names()) > 0 {
		return KindInPlaceTraffic
	}
	return KindInPlace
}
