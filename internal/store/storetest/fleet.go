package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"crossfade/internal/store"
)

// RunFleets checks what is kept of Auto Scaling groups. open opens the store in a place of its own, and again after close.
func RunFleets(t *testing.T, place func(t *testing.T) (open func() (s store.Fleets, close func()))) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, func() (store.Fleets, func())){
		"groups":           fleetGroups,
		"taken names":      fleetNames,
		"refused changes":  fleetRefusals,
		"changes together": fleetRaces,
		"a reopened store": fleetReopened,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, place(t))
		})
	}
}

// put makes the group have the document and the instances.
func put(t *testing.T, s store.Fleets, account, name, doc string, instances ...string) {
	t.Helper()
	must(t, s.ChangeFleetGroup(t.Context(), account, name, func(g *store.FleetGroup) error {
		g.Doc, g.Instances = []byte(doc), nil
		for _, i := range instances {
			g.Instances = append(g.Instances, store.FleetInstance{Name: i, Doc: []byte(doc + " " + i)})
		}
		return nil
	}))
}

func kept(account, name, doc string, instances ...string) store.FleetGroup {
	g := store.FleetGroup{Account: account, Name: name, Doc: []byte(doc)}
	for _, i := range instances {
		g.Instances = append(g.Instances, store.FleetInstance{Name: i, Doc: []byte(doc + " " + i)})
	}
	return g
}

func fleetGroups(t *testing.T, open func() (store.Fleets, func())) {
	s, end := open()
	defer end()
	list := func(account string) []store.FleetGroup {
		t.Helper()
		return must1[[]store.FleetGroup](t)(s.FleetGroups(t.Context(), account))
	}
	equal(t, "an empty store", len(list("")), 0)
	put(t, s, account, "web", "one", "web-2", "web-1")
	put(t, s, account, "api", "")
	put(t, s, other, "web", "theirs", "web-1") // names are an account's own
	equal(t, "the account's", list(account), []store.FleetGroup{kept(account, "api", ""), kept(account, "web", "one", "web-1", "web-2")})
	equal(t, "everyone's", list(""), []store.FleetGroup{kept(account, "api", ""), kept(account, "web", "one", "web-1", "web-2"), kept(other, "web", "theirs", "web-1")})

	must(t, s.ChangeFleetGroup(t.Context(), account, "web", func(g *store.FleetGroup) error {
		equal(t, "what a change sees", *g, kept(account, "web", "one", "web-1", "web-2"))
		g.Instances = append(g.Instances[1:], store.FleetInstance{Name: "web-3", Doc: []byte("one web-3")})
		return nil
	}))
	equal(t, "an instance less and one more", list(account)[1], kept(account, "web", "one", "web-2", "web-3"))
	put(t, s, account, "web", "two", "web-2", "web-3")
	equal(t, "other documents", list(account)[1], kept(account, "web", "two", "web-2", "web-3"))

	remove := func(g *store.FleetGroup) error { g.Doc = nil; return nil }
	must(t, s.ChangeFleetGroup(t.Context(), account, "web", remove))
	must(t, s.ChangeFleetGroup(t.Context(), account, "web", remove))
	equal(t, "one group less", list(""), []store.FleetGroup{kept(account, "api", ""), kept(other, "web", "theirs", "web-1")})
	put(t, s, account, "api", "three", "web-2") // its instances went with the group
}

func fleetNames(t *testing.T, open func() (store.Fleets, func())) {
	s, end := open()
	defer end()
	put(t, s, account, "web", "one", "x")
	err := s.ChangeFleetGroup(t.Context(), account, "api", func(g *store.FleetGroup) error {
		g.Doc, g.Instances = []byte("two"), []store.FleetInstance{{Name: "y", Doc: []byte("d")}, {Name: "x", Doc: []byte("d")}}
		return nil
	})
	want(t, err, store.ErrExists)
	equal(t, "the groups", must1[[]store.FleetGroup](t)(s.FleetGroups(t.Context(), account)), []store.FleetGroup{kept(account, "web", "one", "x")})
}

func fleetRefusals(t *testing.T, open func() (store.Fleets, func())) {
	s, end := open()
	defer end()
	put(t, s, account, "web", "one", "x")
	refusal := errors.New("refused")
	for _, name := range []string{"web", "new"} {
		err := s.ChangeFleetGroup(t.Context(), account, name, func(g *store.FleetGroup) error {
			equal(t, "there is a document", g.Doc != nil, name == "web")
			g.Doc, g.Instances = []byte("changed"), nil
			return refusal
		})
		want(t, err, refusal)
	}
	equal(t, "the groups", must1[[]store.FleetGroup](t)(s.FleetGroups(t.Context(), account)), []store.FleetGroup{kept(account, "web", "one", "x")})
}

// fleetRaces adds instances from several sides at once; a change that was decided on an older state would lose some.
func fleetRaces(t *testing.T, open func() (store.Fleets, func())) {
	s, end := open()
	defer end()
	put(t, s, account, "web", "one")
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			err := s.ChangeFleetGroup(t.Context(), account, "web", func(g *store.FleetGroup) error {
				g.Instances = append(g.Instances, store.FleetInstance{Name: fmt.Sprintf("web-%02d", n), Doc: []byte("d")})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	equal(t, "instances", len(must1[[]store.FleetGroup](t)(s.FleetGroups(t.Context(), account))[0].Instances), 20)
}

func fleetReopened(t *testing.T, open func() (store.Fleets, func())) {
	s, end := open()
	put(t, s, account, "web", "one", "x", "y")
	end()
	s, end = open()
	defer end()
	equal(t, "the groups", must1[[]store.FleetGroup](t)(s.FleetGroups(t.Context(), account)), []store.FleetGroup{kept(account, "web", "one", "x", "y")})
}
