package server

import (
	"context"

	"crossfade/internal/auth"
	"crossfade/internal/store"
	"crossfade/internal/store/postgres"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/traffic/builtin"
)

// database is a store with all that a server keeps in it.
type database struct {
	store.Store
	store.Fleets
	store.Retention
	keys          auth.KeyStore
	registrations builtin.Registry
	proxies       store.Proxies
	// sharing is what the store does for several servers; nil: no other server can be on it.
	sharing sharing
	// listen has news called, which doesn't block, whenever another server on the store may have changed something, until the end that it returns;
	// nil: nobody says so, and servers look from time to time.
	listen func(news func()) (end func())
}

// sharing is what several servers on one store need of it.
type sharing interface {
	store.Replicas
	store.Secrets
}

// openDatabase opens the store of the configuration.
func openDatabase(ctx context.Context, o Options) (*database, error) {
	log := o.Log.With("part", "store")
	if o.Config.Store != "" {
		s, err := postgres.Open(ctx, o.Config.Store, log)
		if err != nil {
			return nil, err
		}
		return &database{
			Store: s, Fleets: s, Retention: s, keys: s.Keys(),
			registrations: postgres.Registrations[builtin.Registration](s), proxies: s,
			sharing: s, listen: func(news func()) func() { return watch(s, news) },
		}, nil
	}
	s, err := sqlite.Open(ctx, o.Config.Data, log)
	if err != nil {
		return nil, err
	}
	return databaseOf(s), nil
}

// watch has the database say when another server may have changed something, until the end that it returns.
func watch(s *postgres.Store, news func()) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Watch(ctx, news)
	}()
	return func() {
		cancel()
		<-done
	}
}

// databaseOf is a store that one server is on.
func databaseOf(s *sqlite.Store) *database {
	return &database{
		Store: s, Fleets: s, Retention: s, keys: s.Keys(),
		registrations: sqlite.Registrations[builtin.Registration](s), proxies: s,
	}
}

// secrets is where what all servers share is kept; nil: this one is alone.
func (d *database) secrets() store.Secrets {
	if d.sharing == nil {
		return nil
	}
	return d.sharing
}
