package retention_test

import (
	"testing"
	"time"

	"crossfade/internal/retention"
	"crossfade/internal/store"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const day = 24 * time.Hour

func TestWhichDeploymentsGo(t *testing.T) {
	t.Parallel()
	ended := func(ago time.Duration) store.OldDeployment { return store.OldDeployment{CompletedAt: now.Add(-ago)} }
	with := func(d store.OldDeployment, beyond bool, held store.Hold) store.OldDeployment {
		d.Beyond, d.Held = beyond, held
		return d
	}
	both := retention.Limit{Age: 30 * day, Count: 5}
	for name, c := range map[string]struct {
		limit retention.Limit
		d     store.OldDeployment
		want  retention.Verdict
	}{
		"for ever":                         {retention.Limit{}, with(ended(9999*day), true, ""), retention.Verdict{}},
		"young":                            {both, ended(29 * day), retention.Verdict{}},
		"exactly of the age":               {both, ended(30 * day), retention.Verdict{}},
		"old":                              {both, ended(30*day + 1), retention.Verdict{Goes: retention.OverAge}},
		"young and beyond":                 {both, with(ended(day), true, ""), retention.Verdict{Goes: retention.OverCount}},
		"beyond, any number":               {retention.Limit{Age: 30 * day}, with(ended(day), true, ""), retention.Verdict{}},
		"old, any age":                     {retention.Limit{Count: 5}, ended(9999 * day), retention.Verdict{}},
		"old and needed":                   {both, with(ended(90*day), true, store.HeldByGroup), retention.Verdict{Held: store.HeldByGroup}},
		"beyond and not ended":             {both, store.OldDeployment{Beyond: true}, retention.Verdict{Held: store.HeldUnfinished}},
		"created long ago and not ended":   {retention.Limit{Age: day}, store.OldDeployment{CreatedAt: now.Add(-9 * day)}, retention.Verdict{}},
		"created long ago, ended just now": {retention.Limit{Age: day}, store.OldDeployment{CreatedAt: now.Add(-9 * day), CompletedAt: now}, retention.Verdict{}},
		"with something still to be done":  {both, with(ended(90*day), false, store.HeldUnfinished), retention.Verdict{Held: store.HeldUnfinished}},
	} {
		if got := (retention.Policy{Deployments: c.limit}).Deployment(now, c.d); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestWhichRevisionsGo(t *testing.T) {
	t.Parallel()
	p := retention.Policy{Revisions: retention.Limit{Age: 30 * day, Count: 5}}
	long, lately := now.Add(-90*day), now.Add(-day)
	for name, c := range map[string]struct {
		r    store.OldRevision
		want retention.Verdict
	}{
		"never used":             {store.OldRevision{RegisteredAt: long}, retention.Verdict{Goes: retention.OverAge}},
		"used lately":            {store.OldRevision{RegisteredAt: long, LastUsedAt: lately}, retention.Verdict{}},
		"registered lately":      {store.OldRevision{RegisteredAt: lately, LastUsedAt: long}, retention.Verdict{}},
		"used lately and beyond": {store.OldRevision{RegisteredAt: long, LastUsedAt: lately, Beyond: true}, retention.Verdict{Goes: retention.OverCount}},
		"needed":                 {store.OldRevision{RegisteredAt: long, Held: store.HeldByGroup}, retention.Verdict{Held: store.HeldByGroup}},
	} {
		if got := p.Revision(now, c.r); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestWhichLogsGo(t *testing.T) {
	t.Parallel()
	p := retention.Policy{Logs: retention.LogLimit{Age: 30 * day, Bytes: 100}}
	long, lately := now.Add(-90*day), now.Add(-day)
	for name, c := range map[string]struct {
		l     store.OldLog
		total int64
		want  retention.Verdict
	}{
		"old":                 {store.OldLog{CompletedAt: long}, 5, retention.Verdict{Goes: retention.OverAge}},
		"young":               {store.OldLog{CompletedAt: lately}, 100, retention.Verdict{}},
		"young, too many":     {store.OldLog{CompletedAt: lately}, 101, retention.Verdict{Goes: retention.OverBytes}},
		"running":             {store.OldLog{CreatedAt: long}, 100, retention.Verdict{}},
		"running, and others": {store.OldLog{CreatedAt: long}, 101, retention.Verdict{Held: store.HeldUnfinished}},
	} {
		if got := p.Log(now, c.l, c.total); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestThePolicyInWords(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]retention.Policy{
		"deployments: for ever; logs: for ever; revisions: for ever": {},
		"deployments: 400 days, the newest 10000 of a group; logs: 30 days, 512 MiB; revisions: the newest 50 of an application": {
			Deployments: retention.Limit{Age: 400 * day, Count: 10_000}, Logs: retention.LogLimit{Age: 30 * day, Bytes: 512 << 20}, Revisions: retention.Limit{Count: 50},
		},
		"deployments: 36h0m0s; logs: 1 MiB; revisions: 2 days": {
			Deployments: retention.Limit{Age: 36 * time.Hour}, Logs: retention.LogLimit{Bytes: 1 << 20}, Revisions: retention.Limit{Age: 2 * day},
		},
	} {
		if got := p.String(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
