package operator

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/traffic/feed"
	"crossfade/internal/wire"
)

const (
	listProxies  = "ListProxies"
	removeProxy  = "RemoveProxy"
	proxyLeaving = "LeaveTargetGroups"
)

// Exceptions of proxies.
const (
	ProxiesOff        wire.Code = "ProxiesOffException"
	ProxyNameTaken    wire.Code = "ProxyNameTakenException"
	ProxyDoesNotExist wire.Code = "ProxyDoesNotExistException"
	ProxyReportBroken wire.Code = "FullReportNeededException"
)

// proxyHold is how long a question of a proxy is held at most.
const proxyHold = 20 * time.Second

// Proxies is the load balancer that runs as processes of their own.
type Proxies interface {
	Follow(ctx context.Context, principal string, q feed.Question, hold time.Duration) (feed.Answer, error)
	Report(ctx context.Context, principal string, r feed.Report) error
	Leave(ctx context.Context, principal string, id feed.Identity) error
	List(ctx context.Context) ([]feed.Known, error)
	Remove(ctx context.Context, name string) error
}

// FollowTargetGroupsInput is a proxy's question, as feed.Question.
type FollowTargetGroupsInput struct {
	Proxy  feed.Identity `json:"proxy"`
	Epoch  string        `json:"epoch,omitempty"`
	After  int64         `json:"after"`
	Digest string        `json:"digest,omitempty"`
	Wait   bool          `json:"wait,omitempty"`
}

// ReportTargetGroupsInput is what a proxy observes, as feed.Report.
type ReportTargetGroupsInput struct {
	Proxy    feed.Identity `json:"proxy"`
	Sequence int64         `json:"sequence"`
	Full     bool          `json:"full,omitempty"`
	Epoch    string        `json:"epoch"`
	Applied  int64         `json:"applied"`
	Digest   string        `json:"digest"`
	Targets  []feed.Target `json:"targets,omitempty"`
	Gone     []feed.Key    `json:"gone,omitempty"`
}

// LeaveTargetGroupsInput is the last that a proxy says.
type LeaveTargetGroupsInput struct {
	Proxy feed.Identity `json:"proxy"`
}

// ListProxiesInput asks for all proxies.
type ListProxiesInput struct{}

// ListProxiesOutput is the proxies by name.
type ListProxiesOutput struct {
	Proxies []ProxyInfo `json:"proxies"`
}

// ProxyInfo is a proxy as the server knows it.
type ProxyInfo struct {
	Name      string     `json:"name"`
	State     string     `json:"state"` // live, silent or forgotten
	Principal string     `json:"principal"`
	FirstSeen *wire.Time `json:"firstSeen"`
	Seen      *wire.Time `json:"seen"`
	Behind    string     `json:"behind,omitempty"` // what it has not taken over, as a sentence; empty: it is up to date
}

// RemoveProxyInput names a proxy.
type RemoveProxyInput struct {
	Name *string `json:"name,omitzero"`
}

// proxyName is what a proxy may be called.
var proxyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func identified(id feed.Identity) (broken []wire.Violation) {
	if !proxyName.MatchString(id.Name) {
		broken = append(broken, wire.Violation{Path: "proxy.name", Shape: "ProxyName", Member: "name", Rule: wire.Pattern,
			Detail: "give a proxy a name of 1 to 64 letters, digits, dots, dashes and underscores, which begins with a letter or digit"})
	}
	if id.ID == "" || len(id.ID) > 64 || id.Session == "" || len(id.Session) > 64 {
		broken = append(broken, wire.Violation{Path: "proxy.id", Shape: "ProxyId", Member: "id", Rule: wire.Required, Detail: "give the proxy's id and session, of at most 64 characters"})
	}
	return broken
}

// Validate implements wire.Input.
func (in *FollowTargetGroupsInput) Validate() []wire.Violation { return identified(in.Proxy) }

// Validate implements wire.Input.
func (in *ReportTargetGroupsInput) Validate() []wire.Violation { return identified(in.Proxy) }

// Validate implements wire.Input.
func (in *LeaveTargetGroupsInput) Validate() []wire.Violation { return identified(in.Proxy) }

// Validate implements wire.Input.
func (*ListProxiesInput) Validate() []wire.Violation { return nil }

// Validate implements wire.Input.
func (in *RemoveProxyInput) Validate() []wire.Violation {
	if in.Name != nil && *in.Name != "" {
		return nil
	}
	return []wire.Violation{{Path: "name", Shape: "ProxyName", Member: "name", Rule: wire.Required, Detail: "name the proxy as crossfade proxy list shows it"}}
}

func proxyOperations(s *Service) []wire.Operation {
	return []wire.Operation{
		wire.Op(auth.FollowTargetGroups, s.FollowTargetGroups, ProxiesOff, ProxyNameTaken),
		wire.Void(auth.ReportTargetGroups, s.ReportTargetGroups, ProxiesOff, ProxyNameTaken, ProxyDoesNotExist, ProxyReportBroken),
		wire.Void(proxyLeaving, s.LeaveTargetGroups, ProxiesOff),
		wire.Op(listProxies, s.ListProxies, ProxiesOff),
		wire.Void(removeProxy, s.RemoveProxy, ProxiesOff, ProxyDoesNotExist),
	}
}

// proxiesOf is who calls and whom it calls.
func (s *Service) proxiesOf(ctx context.Context) (Proxies, string, error) {
	caller, ok := auth.FromContext(ctx)
	switch {
	case !ok:
		return nil, "", errors.New("speak of proxies without a caller")
	case s.Proxies == nil:
		return nil, "", wire.Errorf(ProxiesOff, "The load balancer of this server runs in the server; set loadBalancer.mode to proxies to have it run in crossfade proxy.")
	}
	return s.Proxies, caller.ARN, nil
}

func proxyError(name string, err error) error {
	switch {
	case errors.Is(err, feed.ErrNameTaken):
		return wire.Errorf(ProxyNameTaken, "Another proxy is called %s; give this one another name, or wait until the other one has been silent for a while, or remove it.", name)
	case errors.Is(err, feed.ErrUnknownProxy):
		return wire.Errorf(ProxyDoesNotExist, "There is no proxy %.64q; crossfade proxy list shows those that there are.", name)
	case errors.Is(err, feed.ErrResync):
		return wire.Errorf(ProxyReportBroken, "The report does not go on where the one before ended; send a full one.")
	}
	return err
}

// FollowTargetGroups tells a proxy what is new.
func (s *Service) FollowTargetGroups(ctx context.Context, in *FollowTargetGroupsInput) (*feed.Answer, error) {
	p, caller, err := s.proxiesOf(ctx)
	if err != nil {
		return nil, err
	}
	q := feed.Question{Identity: in.Proxy, Epoch: in.Epoch, After: in.After, Digest: in.Digest, Wait: in.Wait}
	answer, err := p.Follow(ctx, caller, q, proxyHold)
	if err != nil {
		return nil, proxyError(in.Proxy.Name, err)
	}
	return &answer, nil
}

// ReportTargetGroups takes what a proxy observes.
func (s *Service) ReportTargetGroups(ctx context.Context, in *ReportTargetGroupsInput) error {
	p, caller, err := s.proxiesOf(ctx)
	if err != nil {
		return err
	}
	r := feed.Report{
		Identity: in.Proxy, Sequence: in.Sequence, Full: in.Full, Epoch: in.Epoch, Applied: in.Applied, Digest: in.Digest, Targets: in.Targets, Gone: in.Gone,
	}
	return proxyError(in.Proxy.Name, p.Report(ctx, caller, r))
}

// LeaveTargetGroups forgets a proxy that serves nothing any more.
func (s *Service) LeaveTargetGroups(ctx context.Context, in *LeaveTargetGroupsInput) error {
	p, caller, err := s.proxiesOf(ctx)
	if err != nil {
		return err
	}
	return p.Leave(ctx, caller, in.Proxy)
}

// ListProxies lists all proxies that are known.
func (s *Service) ListProxies(ctx context.Context, _ *ListProxiesInput) (*ListProxiesOutput, error) {
	p, _, err := s.proxiesOf(ctx)
	if err != nil {
		return nil, err
	}
	all, err := p.List(ctx)
	if err != nil {
		return nil, err
	}
	out := &ListProxiesOutput{Proxies: []ProxyInfo{}}
	for _, k := range all {
		out.Proxies = append(out.Proxies, ProxyInfo{
			Name: k.Name, State: string(k.Standing), Principal: k.Principal, FirstSeen: wire.At(k.FirstSeen), Seen: wire.At(k.Seen), Behind: k.Behind,
		})
	}
	return out, nil
}

// RemoveProxy forgets a proxy at the operator's word.
func (s *Service) RemoveProxy(ctx context.Context, in *RemoveProxyInput) error {
	p, _, err := s.proxiesOf(ctx)
	if err != nil {
		return err
	}
	return proxyError(*in.Name, p.Remove(ctx, *in.Name))
}

// Follow implements follow.Control.
func (c *Client) Follow(ctx context.Context, q feed.Question) (feed.Answer, error) {
	var out feed.Answer
	in := FollowTargetGroupsInput{Proxy: q.Identity, Epoch: q.Epoch, After: q.After, Digest: q.Digest, Wait: q.Wait}
	if err := c.call(ctx, auth.FollowTargetGroups, in, &out); err != nil {
		return feed.Answer{}, fmt.Errorf("follow the target groups: %w", err)
	}
	if out.Installation == "" || out.Epoch == "" {
		return feed.Answer{}, fmt.Errorf("follow the target groups: the answer of %s is none: is it a Crossfade server of this version?", c.Endpoint)
	}
	return out, nil
}

// Report implements follow.Control.
func (c *Client) Report(ctx context.Context, r feed.Report) error {
	in := ReportTargetGroupsInput{
		Proxy: r.Identity, Sequence: r.Sequence, Full: r.Full, Epoch: r.Epoch, Applied: r.Applied, Digest: r.Digest, Targets: r.Targets, Gone: r.Gone,
	}
	err := c.call(ctx, auth.ReportTargetGroups, in, nil)
	var refused *Refusal
	if errors.As(err, &refused) {
		switch wire.Code(refused.Code) {
		case ProxyReportBroken:
			err = errors.Join(feed.ErrResync, err)
		case ProxyDoesNotExist:
			err = errors.Join(feed.ErrUnknownProxy, err)
		}
	}
	if err != nil {
		return fmt.Errorf("report the target groups: %w", err)
	}
	return nil
}

// Leave implements follow.Control.
func (c *Client) Leave(ctx context.Context, id feed.Identity) error {
	if err := c.call(ctx, proxyLeaving, LeaveTargetGroupsInput{id}, nil); err != nil {
		return fmt.Errorf("leave the target groups: %w", err)
	}
	return nil
}

// ListProxies lists the proxies that the server knows.
func (c *Client) ListProxies(ctx context.Context) (ListProxiesOutput, error) {
	var out ListProxiesOutput
	if err := c.call(ctx, listProxies, ListProxiesInput{}, &out); err != nil {
		return ListProxiesOutput{}, fmt.Errorf("list proxies: %w", err)
	}
	return out, nil
}

// RemoveProxy has the server forget a proxy.
func (c *Client) RemoveProxy(ctx context.Context, name string) error {
	if err := c.call(ctx, removeProxy, RemoveProxyInput{&name}, nil); err != nil {
		return fmt.Errorf("remove proxy: %w", err)
	}
	return nil
}
