package demo

import "time"

// sample turns the audience's growing counts into rates.
type sample struct {
	at        time.Time
	last      tally
	rates     [2]history
	instances map[string]*history
}

// take adds what was seen since the last sample, as answers per sample.
func (s *sample) take(now time.Time, seen tally) {
	if s.instances == nil {
		s.instances = map[string]*history{}
	}
	s.at = now
	for i, v := range [2]string{versionOld, versionNew} {
		s.rates[i].add(int(seen.byVersion[v] - s.last.byVersion[v]))
	}
	for instance, n := range seen.byInstance {
		if s.instances[instance] == nil {
			s.instances[instance] = &history{}
		}
		s.instances[instance].add(int(n - s.last.byInstance[instance]))
	}
	s.last = seen
}

// draw shows the present state.
func (p *play) draw(title string, g progress) {
	now := time.Now()
	if now.Sub(p.sample.at) >= lookEvery*9/10 {
		p.sample.take(now, p.audience.seen())
	}
	seen := p.sample.last
	v := view{
		title:   "deployment " + g.id + " " + string(g.status) + ": " + title,
		elapsed: now.Sub(p.begun), requests: seen.requests, failed: seen.failed, rates: p.sample.rates,
	}
	for _, h := range p.stage.hosts {
		row := hostView{name: h.name, address: h.address.String(), version: seen.versions[h.listen()], standing: g.targets[h.name]}
		if history := p.sample.instances[h.listen()]; history != nil {
			row.rate = history.now()
		}
		v.hosts = append(v.hosts, row)
	}
	p.screen.show(v)
}
