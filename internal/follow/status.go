package follow

import (
	"errors"
	"time"

	"crossfade/internal/lb"
)

// Status is how a proxy stands.
type Status struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Because string `json:"because,omitempty"` // why it is not ready
	// Following says whether the control plane answered last. When it did not, the last state is served.
	Following bool      `json:"following"`
	Trouble   string    `json:"trouble,omitempty"`
	Heard     time.Time `json:"heard,omitzero"` // when the control plane answered last, since the start
	Started   time.Time `json:"started"`
	Applied   int64     `json:"applied"` // the newest change that was taken over
	// Configuration is the short name of the configuration in force; Newest of the newest one known.
	Configuration string           `json:"configuration,omitempty"`
	Newest        string           `json:"newestConfiguration,omitempty"`
	Listeners     []ListenerStatus `json:"listeners"`
	Targets       []TargetStatus   `json:"targets"`
}

// ListenerStatus is where a listener is.
type ListenerStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// TargetStatus is what there is of a target.
type TargetStatus struct {
	TargetGroup string `json:"targetGroup"`
	Instance    string `json:"instance"`
	Address     string `json:"address"`
	State       string `json:"state"`
	Reason      string `json:"reason,omitempty"`
	Active      int    `json:"activeRequests"`
}

// Ready says why requests should not be sent here; nil: they may be. A proxy that has a state and serves it is ready, also while the control plane
// is away; one that stops is not, before it closes anything.
func (f *Follower) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.stopping:
		return errors.New("it is being stopped")
	case f.running == nil && f.trouble != "":
		return errors.New("it has nothing to serve yet: " + f.trouble)
	case f.running == nil:
		return errors.New("it has nothing to serve yet")
	}
	return nil
}

// Status tells how the proxy stands.
func (f *Follower) Status() Status {
	ready := f.Ready()
	f.mu.Lock()
	s := Status{
		Name: f.Name, Ready: ready == nil, Following: f.trouble == "" && !f.heard.IsZero(), Trouble: f.trouble, Heard: f.heard, Started: f.started,
		Applied: f.state.head.Last, Configuration: f.digest, Newest: f.state.head.Digest, Listeners: []ListenerStatus{}, Targets: []TargetStatus{},
	}
	b := f.running
	f.mu.Unlock()
	if ready != nil {
		s.Because = ready.Error()
	}
	if b == nil {
		return s
	}
	m := b.Metrics()
	for _, l := range m.Listeners {
		s.Listeners = append(s.Listeners, ListenerStatus{Name: l.Name, Address: b.ListenerAddress(l.Name)})
	}
	for _, t := range m.Targets {
		s.Targets = append(s.Targets, TargetStatus{TargetGroup: t.TargetGroup, Instance: t.ID, Address: t.Address, State: string(t.State), Reason: t.Reason, Active: t.Active})
	}
	return s
}

// Metrics reads the counters of the load balancer.
func (f *Follower) Metrics() lb.Metrics {
	if b := f.balancer(); b != nil {
		return b.Metrics()
	}
	return lb.Metrics{}
}

// ListenerAddress is the host:port of a listener; empty for an unknown one, and before there is a state.
func (f *Follower) ListenerAddress(name string) string {
	if b := f.balancer(); b != nil {
		return b.ListenerAddress(name)
	}
	return ""
}
