package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"crossfade/internal/store"
	proxyfeed "crossfade/internal/traffic/feed"
)

func proxiesOf(t *testing.T, s store.Store) store.Proxies {
	t.Helper()
	p, ok := s.(store.Proxies)
	if !ok {
		t.Fatalf("%T keeps nothing of proxies", s)
	}
	return p
}

func openFeed(t *testing.T, p store.Proxies, epoch string) proxyfeed.Head {
	t.Helper()
	return must1[proxyfeed.Head](t)(p.OpenFeed(t.Context(), proxyfeed.Names{Installation: "i-" + epoch, Epoch: epoch}, []byte(`{"a":1}`), "d-"+epoch))
}

// proxyWishes holds that wishes get growing changes, that stale ones change nothing, and that reading on finds each.
func proxyWishes(t *testing.T, s store.Store) {
	p, ctx := proxiesOf(t, s), t.Context()
	_, err := p.FeedHead(ctx)
	want(t, err, store.ErrNotFound)
	_, err = p.Wish(ctx, nil, nil)
	want(t, err, store.ErrNotFound)
	must(t, p.CloseFeed(ctx))
	first := openFeed(t, p, "1")
	equal(t, "the installation", first.Installation, "i-1")
	equal(t, "a registration that never was", must1[proxyfeed.Registration](t)(p.Registration(ctx, "web", "i-1")), proxyfeed.Registration{})
	equal(t, "a split that never was", must1[proxyfeed.Split](t)(p.SplitWish(ctx, "web")), proxyfeed.Split{})

	in := proxyfeed.Registration{TargetGroup: "web", Instance: "i-1", Address: "10.0.0.1:80", In: true, Environment: "d-1", Generation: 5}
	share := proxyfeed.Split{TargetGroup: "web", Environment: "d-1", Percent: 10, Generation: 5}
	one := must1[proxyfeed.Head](t)(p.Wish(ctx, []proxyfeed.Registration{in}, []proxyfeed.Split{share}))
	if one.Last <= first.Last {
		t.Fatalf("the change went from %d to %d", first.Last, one.Last)
	}
	in.Change, share.Change = one.Last, one.Last
	equal(t, "the registration", must1[proxyfeed.Registration](t)(p.Registration(ctx, "web", "i-1")), in)
	equal(t, "the split", must1[proxyfeed.Split](t)(p.SplitWish(ctx, "web")), share)

	stale := in
	stale.In, stale.Generation = false, 4
	staleShare := share
	staleShare.Percent, staleShare.Generation = 90, 4
	must1[proxyfeed.Head](t)(p.Wish(ctx, []proxyfeed.Registration{stale}, []proxyfeed.Split{staleShare}))
	in.Generation, share.Generation = 6, 6
	must1[proxyfeed.Head](t)(p.Wish(ctx, []proxyfeed.Registration{in}, []proxyfeed.Split{share}))
	all := must1[proxyfeed.Wishes](t)(p.WishesAfter(ctx, -1))
	equal(t, "the configuration", string(all.Configuration), `{"a":1}`)
	equal(t, "all registrations", all.Registrations, []proxyfeed.Registration{in})
	equal(t, "all splits, which keep their change when nothing but the generation is new", all.Splits, []proxyfeed.Split{share})
	rest := must1[proxyfeed.Wishes](t)(p.WishesAfter(ctx, one.Last))
	equal(t, "nothing new", len(rest.Registrations)+len(rest.Splits), 0)

	// A wish that is kept by the registry alone counts as new when the feed is opened again.
	must(t, p.CloseFeed(ctx))
	must(t, p.CloseFeed(ctx))
	second := openFeed(t, p, "2")
	equal(t, "the installation stays", second.Installation, "i-1")
	equal(t, "the epoch", second.Epoch, "2")
	again := must1[proxyfeed.Wishes](t)(p.WishesAfter(ctx, all.Last))
	equal(t, "registrations of the new epoch", len(again.Registrations), 1)
	third := openFeed(t, p, "3")
	equal(t, "the change when it was open", third.Last, second.Last)
}

// proxyWishRaces holds that whoever reads on from the head never misses a wish.
func proxyWishRaces(t *testing.T, s store.Store) {
	p, ctx := proxiesOf(t, s), t.Context()
	openFeed(t, p, "1")
	const writers, each = 4, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := proxyfeed.Registration{TargetGroup: "web", Instance: fmt.Sprintf("i-%d-%d", w, i), Generation: 1}
				if _, err := p.Wish(ctx, []proxyfeed.Registration{r}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	found, at := map[string]bool{}, int64(-1)
	written := make(chan struct{})
	go func() {
		wg.Wait()
		close(written)
	}()
	for last := false; ; {
		w := must1[proxyfeed.Wishes](t)(p.WishesAfter(ctx, at))
		at = w.Last
		for _, r := range w.Registrations {
			found[r.Instance] = true
		}
		if last {
			break
		}
		select {
		case <-written:
			last = true
		default:
		}
	}
	equal(t, "wishes found", len(found), writers*each)
}

// proxyReports holds whom a name belongs to and what becomes of late, partial and foreign reports.
func proxyReports(t *testing.T, s store.Store) {
	p, ctx := proxiesOf(t, s), t.Context()
	openFeed(t, p, "1")
	id := proxyfeed.Identity{Name: "edge-1", ID: "dir-1", Session: "s-1"}
	proxy := proxyfeed.Proxy{Identity: id, Principal: "arn:one", FirstSeen: start.Add(-time.Minute), Seen: start}
	report := proxyfeed.Report{Identity: id, Sequence: 1, Full: true, Epoch: "1", Applied: 3, Digest: "d-1", Targets: []proxyfeed.Target{
		{TargetGroup: "web", Instance: "i-1", State: "healthy", Environment: "d-1"}, {TargetGroup: "web", Instance: "i-2", State: "initial", Reason: "new"},
	}}
	want(t, p.ReportProxy(ctx, proxy, report), proxyfeed.ErrUnknownProxy)
	must(t, p.SeeProxy(ctx, proxy))
	fresh := must1[[]proxyfeed.Proxy](t)(p.Proxies(ctx))
	if len(fresh) != 1 || fresh[0].Applied >= 0 || !fresh[0].Seen.Equal(start) || !fresh[0].FirstSeen.Equal(start) {
		t.Fatalf("a proxy that has said nothing yet: %+v", fresh)
	}
	before := must1[proxyfeed.Head](t)(p.FeedHead(ctx)).Reports

	partial := report
	partial.Full = false
	want(t, p.ReportProxy(ctx, proxy, partial), proxyfeed.ErrResync)
	must(t, p.ReportProxy(ctx, proxy, report))
	if after := must1[proxyfeed.Head](t)(p.FeedHead(ctx)).Reports; after <= before {
		t.Fatal("a report was not counted")
	}
	must(t, p.ReportProxy(ctx, proxy, proxyfeed.Report{Identity: id, Sequence: 3, Epoch: "1", Applied: 4, Digest: "d-1", Gone: []proxyfeed.Key{{TargetGroup: "web", Instance: "i-2"}}}))
	late := report
	late.Sequence, late.Full = 2, false
	must(t, p.ReportProxy(ctx, proxy, late))
	equal(t, "a target that is gone", len(must1[[]proxyfeed.Observation](t)(p.ObservedBy(ctx, "web", "i-2"))), 0)
	equal(t, "a target", must1[[]proxyfeed.Observation](t)(p.ObservedBy(ctx, "web", "i-1")), []proxyfeed.Observation{{Proxy: "edge-1", Target: report.Targets[0]}})
	is := must1[[]proxyfeed.Proxy](t)(p.Proxies(ctx))[0]
	equal(t, "what it took over", is.Applied, int64(4))

	old := report
	old.Epoch, old.Sequence = "0", 9
	want(t, p.ReportProxy(ctx, proxy, old), proxyfeed.ErrResync)

	// Somebody else's key, and another directory with the same name.
	thief := proxy
	thief.Principal = "arn:two"
	want(t, p.SeeProxy(ctx, thief), proxyfeed.ErrNameTaken)
	want(t, p.ReportProxy(ctx, thief, report), proxyfeed.ErrNameTaken)
	twin := proxy
	twin.ID, twin.Session = "dir-2", "s-2"
	want(t, p.SeeProxy(ctx, twin), proxyfeed.ErrNameTaken)
	twin.Seen = start.Add(time.Hour)
	twin.FirstSeen = start.Add(time.Minute)
	must(t, p.SeeProxy(ctx, twin))
	equal(t, "observations after another one took over", len(must1[[]proxyfeed.Observation](t)(p.ObservedBy(ctx, "web", "i-1"))), 0)
	want(t, p.SeeProxy(ctx, proxy), proxyfeed.ErrNameTaken)

	full := report
	full.ID, full.Session = "dir-2", "s-2"
	must(t, p.ReportProxy(ctx, twin, full))
	want(t, p.RemoveProxy(ctx, "edge-1", "s-1"), proxyfeed.ErrUnknownProxy)
	must(t, p.RemoveProxy(ctx, "edge-1", "s-2"))
	want(t, p.RemoveProxy(ctx, "edge-1", ""), proxyfeed.ErrUnknownProxy)
	equal(t, "observations of a removed proxy", len(must1[[]proxyfeed.Observation](t)(p.ObservedBy(ctx, "web", "i-1"))), 0)
}
