package traffic

// Split is the wish to share each target group's requests out: Percent of them go to the targets whose environment is Environment, the rest to all
// others. An empty Environment ends the sharing: all targets are equal again. A Split with a lower Generation than the newest seen for a target
// group is ignored there.
type Split struct {
	TargetGroups []string
	Environment  string
	Percent      int // 0 to 100
	Generation   int64
}

// SplitObserved is how the data plane shares the requests of one target group out.
type SplitObserved struct {
	TargetGroup string
	Environment string
	Percent     int
	Generation  int64
}

// SplitSettled reports whether a wish to share requests out is fulfilled in every one of its target groups.
func SplitSettled(want Split, observed []SplitObserved) bool {
	seen := map[string]bool{}
	for _, o := range observed {
		if o.Environment != want.Environment || o.Environment != "" && o.Percent != want.Percent {
			return false
		}
		seen[o.TargetGroup] = true
	}
	for _, g := range want.TargetGroups {
		if !seen[g] {
			return false
		}
	}
	return true
}
