package storetest

import (
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

func revision(name string) deploy.Revision {
	return deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "builds", Key: "shop/" + name + ".zip", BundleType: "zip"}}
}

func revisions(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, _ := seeded(t, s)
	r := deploy.RegisteredRevision{ApplicationID: a.ID, Revision: revision("v1"), Description: "first", RegisteredAt: start}
	must(t, s.RegisterRevision(ctx, account, r))
	equal(t, "the revision", must1[deploy.RegisteredRevision](t)(s.Revision(ctx, a.ID, revision("v1"))), r)

	again := r
	again.Description, again.RegisteredAt = "again", start.Add(time.Hour)
	must(t, s.RegisterRevision(ctx, account, again))
	r.Description = "again" // and the times stay
	equal(t, "the revision registered again", must1[deploy.RegisteredRevision](t)(s.Revision(ctx, a.ID, revision("v1"))), r)

	// Locations that differ in any member are different.
	tagged := revision("v1")
	tagged.S3.ETag = "abc"
	_, err := s.Revision(ctx, a.ID, tagged)
	want(t, err, store.ErrNotFound)
	for _, location := range []deploy.Revision{
		{Type: deploy.RevisionGitHub, GitHub: &deploy.GitHubLocation{Repository: "me/shop", CommitID: "0a1b"}},
		{Type: deploy.RevisionString, Content: &deploy.ContentLocation{Content: "version: 0.0", SHA256: "aa"}},
		{Type: deploy.RevisionAppSpec, Content: &deploy.ContentLocation{Content: "version: 0.0", SHA256: "aa"}},
		tagged,
	} {
		x := deploy.RegisteredRevision{ApplicationID: a.ID, Revision: location, RegisteredAt: start}
		must(t, s.RegisterRevision(ctx, account, x))
		equal(t, "the revision", must1[deploy.RegisteredRevision](t)(s.Revision(ctx, a.ID, location)), x)
	}
	if n := len(must1[[]store.RevisionEntry](t)(s.Revisions(ctx, a.ID, store.RevisionOrder{}, store.Page{}))); n != 5 {
		t.Fatalf("%d revisions are listed, want 5", n)
	}
	want(t, s.RegisterRevision(ctx, account, deploy.RegisteredRevision{ApplicationID: "none", Revision: revision("v1")}), store.ErrNotFound)
}

func revisionOrders(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, _ := seeded(t, s)
	// v1 to v4, registered in order (two at the same time), used in another one, and v4 never.
	used := map[string]time.Duration{"v1": 3 * time.Hour, "v2": time.Hour, "v3": 2 * time.Hour}
	for i, v := range []string{"v1", "v2", "v3", "v4"} {
		r := deploy.RegisteredRevision{ApplicationID: a.ID, Revision: revision(v), RegisteredAt: start.Add(time.Duration(i/2) * time.Minute)}
		if d, ok := used[v]; ok {
			r.FirstUsedAt, r.LastUsedAt = start.Add(d), start.Add(10*time.Hour-d)
		}
		must(t, s.RegisterRevision(ctx, account, r))
	}
	git := deploy.Revision{Type: deploy.RevisionGitHub, GitHub: &deploy.GitHubLocation{Repository: "me/shop", CommitID: "1"}}
	must(t, s.RegisterRevision(ctx, account, deploy.RegisteredRevision{ApplicationID: a.ID, Revision: git, RegisteredAt: start.Add(time.Hour)}))
	name := func(r deploy.Revision) string {
		if r.S3 == nil {
			return "git"
		}
		return r.S3.Key[5:7]
	}
	for _, c := range []struct {
		name  string
		order store.RevisionOrder
		want  []string
	}{
		{"none given", store.RevisionOrder{}, []string{"v1", "v2", "v3", "v4", "git"}},
		{"registered, descending", store.RevisionOrder{By: "registerTime", Descending: true}, []string{"git", "v4", "v3", "v2", "v1"}},
		{"first used", store.RevisionOrder{By: "firstUsedTime", Bucket: "builds"}, []string{"v4", "v2", "v3", "v1"}},
		{"last used, descending", store.RevisionOrder{By: "lastUsedTime", Descending: true, Bucket: "builds"}, []string{"v2", "v3", "v1", "v4"}},
		{"a bucket", store.RevisionOrder{Bucket: "builds"}, []string{"v1", "v2", "v3", "v4"}},
		{"another bucket", store.RevisionOrder{Bucket: "Builds"}, nil},
		{"a prefix", store.RevisionOrder{Bucket: "builds", KeyPrefix: "shop/v2"}, []string{"v2"}},
		{"a prefix with a wildcard's letters", store.RevisionOrder{Bucket: "builds", KeyPrefix: "shop/_%"}, nil},
	} {
		for _, size := range []int{0, 1, 2} {
			var got []string
			p := store.Page{Limit: size}
			for {
				page := must1[[]store.RevisionEntry](t)(s.Revisions(ctx, a.ID, c.order, p))
				for _, e := range page {
					got = append(got, name(e.Revision))
				}
				if size == 0 || len(page) < size {
					break
				}
				p.After = page[len(page)-1].Cursor
			}
			equal(t, c.name, got, c.want)
		}
	}
	if _, err := s.Revisions(ctx, a.ID, store.RevisionOrder{By: "name"}, store.Page{}); err == nil {
		t.Fatal("an unknown order is accepted")
	}
	if _, err := s.Revisions(ctx, a.ID, store.RevisionOrder{}, store.Page{After: "nonsense"}); err == nil {
		t.Fatal("a place that is none is accepted")
	}
}

// deployedRevisions: a revision is deployed while it is some group's target revision.
func deployedRevisions(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	for _, v := range []string{"v1", "v2"} {
		spec := w.spec(g, deploy.KindInPlace)
		spec.Revision = revision(v)
		w.createSpec(spec)
		w.resolve(spec.ID, 2, 0)
		w.drive(spec.ID)
		if d := w.read(spec.ID); d.State.Status != deploy.StatusSucceeded {
			t.Fatalf("the deployment is %s: %+v", d.State.Status, d.State.Error)
		}
	}
	equal(t, "groups of the old revision", len(must1[[]string](t)(s.RevisionGroups(ctx, a.ID, revision("v1")))), 0)
	equal(t, "groups of the new revision", must1[[]string](t)(s.RevisionGroups(ctx, a.ID, revision("v2"))), []string{"web"})
	for deployed, want := range map[string][]string{"include": {"shop/v2.zip"}, "exclude": {"shop/v1.zip"}, "ignore": {"shop/v1.zip", "shop/v2.zip"}} {
		var got []string
		for _, e := range must1[[]store.RevisionEntry](t)(s.Revisions(ctx, a.ID, store.RevisionOrder{Deployed: deployed}, store.Page{})) {
			got = append(got, e.Revision.S3.Key)
		}
		equal(t, deployed, got, want)
	}
}

// revisionUse: creating a deployment registers its revision, and counts as a use of a known one.
func revisionUse(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, g := seeded(t, s)
	must(t, s.RegisterRevision(ctx, account, deploy.RegisteredRevision{ApplicationID: a.ID, Revision: revision("v1"), Description: "known", RegisteredAt: start.Add(-time.Hour)}))
	w := newWorld(t, s, func(deploy.Group) {})
	var times []time.Time
	for range 2 {
		id := w.create(g, deploy.KindInPlace)
		times = append(times, w.read(id).Spec.CreatedAt)
		w.resolve(id, 0, 0)
	}
	equal(t, "the known revision", must1[deploy.RegisteredRevision](t)(s.Revision(ctx, a.ID, revision("v1"))), deploy.RegisteredRevision{
		ApplicationID: a.ID, Revision: revision("v1"), Description: "known", RegisteredAt: start.Add(-time.Hour), FirstUsedAt: times[0], LastUsedAt: times[1],
	})
	spec := w.spec(g, deploy.KindInPlace)
	spec.Revision = revision("v2")
	w.createSpec(spec)
	at := w.read(spec.ID).Spec.CreatedAt
	equal(t, "the new revision", must1[deploy.RegisteredRevision](t)(s.Revision(ctx, a.ID, revision("v2"))), deploy.RegisteredRevision{
		ApplicationID: a.ID, Revision: revision("v2"), RegisteredAt: at, FirstUsedAt: at, LastUsedAt: at,
	})
}
