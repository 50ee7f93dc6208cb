package server

import (
	"path/filepath"

	"crossfade/internal/audit"
	"crossfade/internal/config"
	"crossfade/internal/edge"
	"crossfade/internal/limit"
	"crossfade/internal/telemetry"
)

const auditFile = "audit.log"

// openAudit opens the audit log.
func (s *Server) openAudit(o Options, metrics *telemetry.Metrics) (func(audit.Entry), error) {
	c := o.Config.Audit
	if c.File == "" {
		c.File = filepath.Join(o.Config.Data, auditFile)
	}
	l, err := audit.Open(audit.Options{
		Path: c.File, MaxSize: int64(c.MaxMegabytes) << 20, Keep: c.Keep, Version: o.Version, Now: o.Now, Log: o.Log.With("part", "audit"), Lost: metrics.LostAudit(),
	})
	if err != nil {
		return nil, err
	}
	s.audit = l
	return l.Write, nil
}

// Of how many keys and addresses the calls are counted. What is forgotten beyond that has all its calls again.
const (
	countedKeys      = 100_000
	countedAddresses = 100_000
)

func limits(o Options) edge.Limits {
	of := func(r config.Rate, most int) *limit.Limiter {
		return limit.New(limit.Rule{Rate: r.Rate, Burst: r.Burst}, most, o.Now)
	}
	c := o.Config.Limits
	return edge.Limits{PerKey: of(c.PerKey, countedKeys), PerAddress: of(c.PerAddress, countedAddresses), Failures: of(c.Failures, countedAddresses)}
}
