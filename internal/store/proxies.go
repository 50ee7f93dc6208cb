package store

import (
	"context"

	"crossfade/internal/traffic/feed"
)

// Proxies keeps what is wished of load balancers that run as processes of their own, and what these observe. The wishes are those of the built-in
// load balancer's registry, with a change each.
type Proxies interface {
	// OpenFeed begins a new epoch, with a configuration for the proxies. The first time it names the installation.
	OpenFeed(ctx context.Context, names feed.Names, configuration []byte, digest string) (feed.Head, error)
	// CloseFeed notes that wishes are kept without a change from now on. The next OpenFeed counts every wish as new.
	CloseFeed(ctx context.Context) error
	// FeedHead reads where the wishes stand, without the configuration. It fails with ErrNotFound before the first OpenFeed.
	FeedHead(ctx context.Context) (feed.Head, error)
	// WishesAfter reads the head with its configuration and all wishes with a later change, as of one moment.
	WishesAfter(ctx context.Context, change int64) (feed.Wishes, error)
	// Wish keeps wishes, all under one change, which it assigns; those that differ from what is kept in nothing but the generation keep their change. Those
	// of a lower generation than what is kept are left out. All or none is kept, and durable when it returns.
	Wish(ctx context.Context, registrations []feed.Registration, splits []feed.Split) (feed.Head, error)
	// Registration reads one wish; the zero value when there was never one.
	Registration(ctx context.Context, targetGroup, instance string) (feed.Registration, error)
	// SplitWish reads one wish; the zero value when there was never one.
	SplitWish(ctx context.Context, targetGroup string) (feed.Split, error)

	// SeeProxy notes that a proxy was heard of at p.Seen, and makes it known if it is not. A name belongs to the principal that used it
	// first. One with another ID takes the name over when the one before was last seen before p.FirstSeen; else feed.ErrNameTaken.
	SeeProxy(ctx context.Context, p feed.Proxy) error
	// ReportProxy takes a report of a known proxy over, and notes that it was seen. It fails with feed.ErrResync when a full report is needed, and with
	// feed.ErrUnknownProxy when the proxy is not known. A late one changes nothing.
	ReportProxy(ctx context.Context, p feed.Proxy, r feed.Report) error
	// Proxies lists all, by name.
	Proxies(ctx context.Context) ([]feed.Proxy, error)
	// ObservedBy reads what proxies have of a target, by proxy.
	ObservedBy(ctx context.Context, targetGroup, instance string) ([]feed.Observation, error)
	// RemoveProxy forgets a proxy and what it observed; feed.ErrUnknownProxy when there is none. A session other than "" must be the proxy's.
	RemoveProxy(ctx context.Context, name, session string) error
}
