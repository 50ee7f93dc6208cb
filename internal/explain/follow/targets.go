package follow

import (
	"context"
	"slices"

	"crossfade/internal/explain"
	"crossfade/internal/wire/control"
)

// targets is what is known of a deployment's targets. It reads those that can have changed, so that a look costs what happened and not the
// size of the fleet: the ones at work, and those whose number in the overview differs from what is known.
type targets struct {
	reader    Reader
	id        string
	status    map[string]control.TargetStatus
	count     map[control.TargetStatus]int64 // of status
	pastReady bool                           // one has begun to be rerouted
}

func newTargets(r Reader, id string) *targets {
	return &targets{reader: r, id: id, status: map[string]control.TargetStatus{}, count: map[control.TargetStatus]int64{}}
}

// read returns the targets that were at work or have changed since the last reading. One that is Pending has no news.
func (s *targets) read(ctx context.Context, overview *control.DeploymentOverview) ([]control.InstanceTarget, error) {
	if overview == nil {
		return nil, nil
	}
	ask := map[string]bool{}
	for id, status := range s.status {
		if status == control.TargetStatusInProgress {
			ask[id] = true
		}
	}
	for _, n := range numbers(overview) {
		if n.of == s.count[n.status] {
			continue
		}
		if err := s.differs(ctx, n.status, ask); err != nil {
			return nil, err
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	ids := make([]string, 0, len(ask))
	for id := range ask {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	read, err := s.some(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, t := range read {
		if old, ok := s.status[*t.TargetId]; ok {
			s.count[old]--
		}
		s.status[*t.TargetId] = *t.Status
		s.count[*t.Status]++
		s.pastReady = s.pastReady || explain.Rerouting(t)
	}
	return read, nil
}

// differs asks for the targets that have the status and were not known to.
func (s *targets) differs(ctx context.Context, status control.TargetStatus, ask map[string]bool) error {
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	ids, err := s.reader.TargetIDs(call, s.id, status)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if s.status[id] != status {
			ask[id] = true
		}
	}
	return nil
}

// some reads the targets, a call for each batch, so that the limit of a call doesn't bound the size of a fleet.
func (s *targets) some(ctx context.Context, ids []string) ([]control.InstanceTarget, error) {
	var all []control.InstanceTarget
	for some := range slices.Chunk(ids, batch) {
		call, cancel := context.WithTimeout(ctx, callLimit)
		read, err := s.reader.Targets(call, s.id, some)
		cancel()
		if err != nil {
			return nil, err
		}
		for _, t := range read {
			if t.Status != nil && t.TargetId != nil {
				all = append(all, t)
			}
		}
	}
	return all, nil
}

type number struct {
	status control.TargetStatus
	of     int64
}

// numbers are the counts of the statuses in which a target has news.
func numbers(o *control.DeploymentOverview) []number {
	value := func(p *int64) int64 {
		if p == nil {
			return 0
		}
		return *p
	}
	return []number{
		{control.TargetStatusInProgress, value(o.InProgress)}, {control.TargetStatusReady, value(o.Ready)}, {control.TargetStatusSucceeded, value(o.Succeeded)},
		{control.TargetStatusFailed, value(o.Failed)}, {control.TargetStatusSkipped, value(o.Skipped)},
	}
}
