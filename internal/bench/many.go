package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"crossfade/internal/wire/control"
)

// hostsOfOne is how many hosts a deployment of many and restart has: two originals and two replacements.
const hostsOfOne = 4

// blueGreen is many deployment groups with two blue and two green hosts each, the blue ones in traffic.
type blueGreen struct {
	*world
	swarm  *swarm
	answer *answerer
	groups []string
}

// newBlueGreen makes everything up to the point at which the blue hosts serve. agents may be given settings before they start.
func newBlueGreen(ctx context.Context, at *Installation, o Options, prepare func(*swarm)) (_ *blueGreen, err error) {
	if len(at.TargetGroups) == 0 {
		return nil, errors.New("there is no target group to register hosts with: name one of the server's with --target-group")
	}
	w, err := newWorld(ctx, at, o)
	if err != nil {
		return nil, err
	}
	b := &blueGreen{world: w}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.end(ctx))
		}
	}()
	if b.answer, err = newAnswerer(ctx); err != nil {
		return nil, err
	}
	hosts, err := w.register(ctx, hostsOfOne*o.Deployments, func(i int) map[string]string {
		return map[string]string{tagRole: w.role(i/hostsOfOne, i%hostsOfOne/2), "crossfade:address": b.answer.address(i)}
	})
	if err != nil {
		return nil, err
	}
	b.groups = make([]string, o.Deployments)
	err = w.each(ctx, "deployment groups", o.Deployments, func(ctx context.Context, i int) error {
		b.groups[i] = "g" + strconv.Itoa(i)
		return w.group(ctx, b.groups[i], func(in *control.CreateDeploymentGroupInput) { shape(in, at.TargetGroups[i%len(at.TargetGroups)]) })
	})
	if err != nil {
		return nil, err
	}
	swarm := newSwarm(at)
	if prepare != nil {
		prepare(swarm)
	}
	if err := swarm.start(ctx, hosts); err != nil {
		return nil, err
	}
	b.swarm = swarm
	if err := b.swarm.connected(ctx, len(hosts)); err != nil {
		return nil, err
	}
	o.Progress("putting the blue hosts of %d groups into traffic", o.Deployments)
	ids, err := b.deployAll(ctx, blue)
	if err != nil {
		return nil, err
	}
	ended, err := w.awaitAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	for id, out := range ended {
		if out.status != control.DeploymentStatusSucceeded {
			return nil, fmt.Errorf("the first deployment %s is %s: %s", id, out.status, out.why)
		}
	}
	return b, nil
}

// The environments.
const (
	blue = iota
	green
)

// role is the value of the tag that selects a group's environment.
func (w *world) role(group, environment int) string {
	return w.name + "-" + strconv.Itoa(group) + "-" + [...]string{"blue", "green"}[environment]
}

// shape makes a group one for blue/green deployments without waits.
func shape(in *control.CreateDeploymentGroupInput, targetGroup string) {
	kind, option := control.DeploymentTypeBlueGreen, control.DeploymentOptionWithTrafficControl
	ready, end, fleet := control.DeploymentReadyActionContinueDeployment, control.InstanceActionTerminate, control.GreenFleetProvisioningActionDiscoverExisting
	in.DeploymentStyle = &control.DeploymentStyle{DeploymentType: &kind, DeploymentOption: &option}
	in.LoadBalancerInfo = &control.LoadBalancerInfo{TargetGroupInfoList: []control.TargetGroupInfo{{Name: &targetGroup}}}
	in.BlueGreenDeploymentConfiguration = &control.BlueGreenDeploymentConfiguration{
		DeploymentReadyOption:                     &control.DeploymentReadyOption{ActionOnTimeout: &ready},
		TerminateBlueInstancesOnDeploymentSuccess: &control.BlueInstanceTerminationOption{Action: &end},
		GreenFleetProvisioningOption:              &control.GreenFleetProvisioningOption{Action: &fleet},
	}
}

// deployAll begins a deployment of each group onto its hosts of an environment.
func (b *blueGreen) deployAll(ctx context.Context, environment int) ([]string, error) {
	ids := make([]string, len(b.groups))
	err := b.each(ctx, "deployments created", len(b.groups), func(ctx context.Context, i int) (err error) {
		kind := control.EC2TagFilterTypeKeyAndValue
		ids[i], err = b.deploy(ctx, b.groups[i], func(in *control.CreateDeploymentInput) {
			in.TargetInstances = &control.TargetInstances{TagFilters: []control.EC2TagFilter{{Key: new(tagRole), Value: new(b.role(i, environment)), Type: &kind}}}
		})
		return err
	})
	return ids, err
}

// end stops the agents, takes everything away, and stops answering health checks last.
func (b *blueGreen) end(ctx context.Context) error {
	if b.swarm != nil {
		b.swarm.end()
	}
	err := b.remove(ctx)
	if b.answer != nil {
		err = errors.Join(err, b.answer.close())
	}
	return err
}

// many measures blue/green deployments at the same time.
func many(ctx context.Context, at *Installation, o Options) (_ *Report, err error) {
	b, err := newBlueGreen(ctx, at, o, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.end(ctx)) }()
	for _, m := range b.swarm.meters() {
		m.reset()
	}
	before := b.swarm.events.Load()
	first := look(at)
	o.Progress("rerouting %d groups at the same time", o.Deployments)
	begun := time.Now()
	var created time.Duration
	var ended map[string]outcome
	err = profiled(ctx, at, func() error {
		ids, err := b.deployAll(ctx, green)
		if err != nil {
			return err
		}
		created = time.Since(begun)
		ended, err = b.awaitAll(ctx, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	last := look(at)
	wall := lastEnd(ended).Sub(begun)
	each := newMeter("deployment: creation to end")
	took(each, ended)
	r := newReport(o.Scenario, "%d blue/green deployments at the same time, 2 original and 2 replacement hosts each, no waits", o.Deployments)
	r.addTime("all deployments", wall)
	r.addTime("of that, until all were created", created)
	r.add("deployments", float64(each.count())/wall.Seconds(), "/s")
	r.add("deployments that did not succeed", float64(len(ended)-each.count()), "")
	events := b.swarm.events.Load() - before
	r.add("lifecycle events on hosts", float64(events), "")
	r.add("lifecycle events on hosts, durable", float64(events)/wall.Seconds(), "/s")
	r.add("polls that failed", float64(b.swarm.troubles.Load()), "")
	r.addUsage(first, last)
	r.addMeters(0, each)
	r.addMeters(wall, b.swarm.meters()...)
	return r, nil
}

// lastEnd is when the last one ended.
func lastEnd(ended map[string]outcome) (last time.Time) {
	for _, o := range ended {
		if o.ended.After(last) {
			last = o.ended
		}
	}
	return last
}

// answerer is the application of all simulated hosts: it says yes to every health check. Hosts have addresses of their own in 127.0.0.0/8 where
// the system lends those, else ports would have to be told apart.
type answerer struct {
	server   *http.Server
	listener net.Listener
	port     string
	serving  sync.WaitGroup
	failed   error
}

func newAnswerer(ctx context.Context) (*answerer, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", "0.0.0.0:0")
	if err != nil {
		return nil, fmt.Errorf("answer health checks: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	a := &answerer{listener: l, port: port, server: &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
	}}
	a.serving.Go(func() {
		if err := a.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.failed = fmt.Errorf("answer health checks: %w", err)
		}
	})
	return a, nil
}

// address is the i-th host's.
func (a *answerer) address(i int) string {
	return net.JoinHostPort(net.IPv4(127, 1, byte(i>>8), byte(i)).String(), a.port)
}

func (a *answerer) close() error {
	err := a.server.Close()
	a.serving.Wait()
	return errors.Join(err, a.failed)
}
