package deploy

// HealthyHosts is a minimum of healthy hosts, as in a deployment config.
type HealthyHosts struct {
	Type  string `json:"type"` // HOST_COUNT, FLEET_PERCENT or MOST_CONCURRENCY
	Value int    `json:"value"`
}

// The types of a minimum. MOST_CONCURRENCY is what OneAtATime answers; it can't be given in a custom config.
const (
	HostCount       = "HOST_COUNT"
	FleetPercent    = "FLEET_PERCENT"
	MostConcurrency = "MOST_CONCURRENCY"
)

// Minimum is the number of n targets that must stay healthy: the count itself, the percentage rounded up, or all but the concurrency.
func (h HealthyHosts) Minimum(n int) int {
	switch h.Type {
	case FleetPercent:
		return (n*h.Value + 99) / 100
	case MostConcurrency:
		return max(0, n-h.Value)
	default:
		return h.Value
	}
}

// minimum is the number of n targets that must stay healthy beside the spared instances, which are. A deployment for one instance that came or
// goes by itself takes nothing from the group.
func (s Spec) minimum(n, spared int) int {
	if s.Beside() {
		return 0
	}
	return max(0, s.MinimumHealthy.Minimum(n+spared)-spared)
}

// tally is what a stage knows of its targets. It is the whole input of the health rules.
type tally struct {
	Total    int `json:"total"`    // targets that the stage is for
	Started  int `json:"started"`  // of those, started so far
	InFlight int `json:"inFlight"` // of those, neither done nor failed
	Done     int `json:"done"`
	Failed   int `json:"failed"`
	Minimum  int `json:"minimum"` // healthy targets that must remain
}

func (t tally) unstarted() int { return t.Total - t.Started }

// slots is how many more targets may start now. Targets in flight count as unavailable.
func (t tally) slots(r rule) int {
	free := t.Total
	if r == ruleMinimum {
		free = t.Total - t.Failed - t.Minimum - t.InFlight
		// A reroute of a fleet that lost targets while installing may begin below the minimum; one at a time it still proceeds, and the
		// first further failure ends it.
		if t.InFlight == 0 && free < 1 {
			free = 1
		}
	}
	return min(free, t.unstarted())
}

// broken reports whether, after a failure, the stage can't go on.
func (t tally) broken(r rule) bool {
	switch r {
	case ruleAll:
		return t.Failed > 0
	case ruleRestore, ruleWithdraw:
		return false
	default:
		return t.Failed > 0 && t.unstarted() > 0 && t.Total-t.Failed <= t.Minimum
	}
}

// over reports whether every target of the stage was tried and has ended.
func (t tally) over() bool { return t.unstarted() == 0 && t.InFlight == 0 }

// good reports whether an ended stage succeeded.
func (t tally) good(r rule) bool {
	switch r {
	case ruleAll, ruleWithdraw:
		return t.Failed == 0
	default:
		return t.Done >= t.needed(r)
	}
}

// needed is how many targets must succeed. A rollback can't ask for more originals than there are.
func (t tally) needed(r rule) int {
	if r == ruleRestore {
		return max(1, min(t.Minimum, t.Total))
	}
	return max(1, t.Minimum)
}
