package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/sigv4"
)

// play is what happens on the stage.
type play struct {
	options          Options
	stage            *stage
	endpoint, region string
	root             sigv4.Credential
	client           client
	audience         *audience
	accepted         *acceptance
	begun            time.Time
	site             string

	screen screen
	sample sample
}

// lookEvery is how often the deployment is looked at, and the picture drawn.
const lookEvery = sampleEvery

func (p *play) perform(ctx context.Context) (Summary, error) {
	p.screen = p.newScreen()
	defer p.screen.close()
	p.screen.say(fmt.Sprintf("server %s, load balancer %s, hosts blue-1, blue-2, green-1, green-2 in %s", p.endpoint, p.site, p.stage.dir))
	if err := p.prepare(ctx); err != nil {
		return Summary{}, err
	}
	p.audience.start(ctx)
	defer p.audience.end()
	last, err := p.reroute(ctx)
	if err != nil {
		return Summary{}, err
	}
	title := "it is over"
	if last.status == types.DeploymentStatusSucceeded {
		title = versionNew + " serves alone"
	}
	if err := p.watch(ctx, time.Second, last, title); err != nil {
		return Summary{}, err
	}
	p.audience.end()
	p.screen.leave()
	return p.conclude(last)
}

func (p *play) newScreen() screen {
	switch {
	case p.options.Silent:
		return silent{}
	case p.options.Terminal:
		return &terminal{out: p.options.Out, width: p.options.Width, color: p.options.Color}
	default:
		return &lines{out: p.options.Out}
	}
}

// prepare brings v1 onto the blue hosts, in place and behind the load balancer.
func (p *play) prepare(ctx context.Context) error {
	for _, v := range []string{versionOld, versionNew} {
		if err := p.client.upload(ctx, v); err != nil {
			return err
		}
	}
	if err := p.client.define(ctx); err != nil {
		return err
	}
	id, err := p.client.begin(ctx, versionOld, nil)
	if err != nil {
		return err
	}
	p.screen.say(fmt.Sprintf("deployment %s brings %s onto the blue hosts, in place", id, versionOld))
	last, err := p.until(ctx, id, versionOld+" in place", func(progress) bool { return false })
	if err != nil {
		return err
	}
	if last.status != types.DeploymentStatusSucceeded {
		return fmt.Errorf("%w: deployment %s of %s is %s: %s", ErrLost, id, versionOld, last.status, last.problem)
	}
	p.screen.say(fmt.Sprintf("%s serves at %s; from now on %d requests a second ask it", versionOld, p.site, p.options.Rate))
	return nil
}

// reroute brings v2 onto the green hosts and the traffic to them, and stops at both waits.
func (p *play) reroute(ctx context.Context) (progress, error) {
	if err := p.client.turnBlueGreen(ctx, p.options.ReadyWait, p.options.TerminationWait); err != nil {
		return progress{}, err
	}
	id, err := p.client.begin(ctx, versionNew, tagged(green))
	if err != nil {
		return progress{}, err
	}
	p.screen.say(fmt.Sprintf("deployment %s brings %s onto the green hosts, blue/green", id, versionNew))
	const title = versionNew + " blue/green"
	last, err := p.until(ctx, id, title, func(g progress) bool { return g.status == types.DeploymentStatusReady })
	if err != nil || last.over() {
		return last, err
	}
	p.screen.say(fmt.Sprintf("deployment %s is Ready: %s is installed on the green hosts, and the traffic still goes to %s", id, versionNew, versionOld))
	if err := p.wait(ctx, id, types.DeploymentWaitTypeReadyWait, "reroute the traffic", last); err != nil {
		return last, err
	}
	last, err = p.until(ctx, id, title, func(g progress) bool { return g.terminationWait })
	if err != nil || last.over() {
		return last, err
	}
	p.screen.say("the traffic is rerouted; the blue hosts are kept, in case of regret, until the termination wait ends")
	if err := p.wait(ctx, id, types.DeploymentWaitTypeTerminationWait, "end the termination wait", last); err != nil {
		return last, err
	}
	return p.until(ctx, id, title, func(progress) bool { return false })
}

// wait continues a waiting deployment, or says how somebody else can, and returns when it goes on.
func (p *play) wait(ctx context.Context, id string, kind types.DeploymentWaitType, what string, last progress) error {
	title := "waits for ContinueDeployment " + string(kind)
	if p.options.Auto {
		if err := p.watch(ctx, p.options.Pause, last, title); err != nil {
			return err
		}
		p.screen.say("ContinueDeployment " + string(kind))
		return p.client.continueDeployment(ctx, id, kind)
	}
	p.screen.say(fmt.Sprintf(`
To %s, type in another terminal:

export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s
aws deploy continue-deployment --deployment-id %s --deployment-wait-type %s --endpoint-url %s --region %s
`, what, p.root.AccessKeyID, p.root.SecretAccessKey, id, kind, p.endpoint, p.region))
	_, err := p.until(ctx, id, title, func(g progress) bool {
		if kind == types.DeploymentWaitTypeReadyWait {
			return g.status != types.DeploymentStatusReady
		}
		return false
	})
	return err
}

// until watches a deployment until it is over or has come far enough.
func (p *play) until(ctx context.Context, id, title string, enough func(progress) bool) (progress, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		now, err := p.client.look(ctx, id)
		if err != nil {
			return now, err
		}
		p.draw(title, now)
		if now.over() || enough(now) {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-tick.C:
		}
	}
}

// watch goes on drawing for some time.
func (p *play) watch(ctx context.Context, d time.Duration, last progress, title string) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		p.draw(title, last)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return nil
		case <-tick.C:
		}
	}
}

// conclude makes the summary. Without a measured rerouting the times are zero.
func (p *play) conclude(last progress) (Summary, error) {
	seen := p.audience.seen()
	s := Summary{DeploymentID: last.id, Status: string(last.status), Requests: seen.requests, Failed: seen.failed}
	begun, first, old := p.accepted.time(), p.audience.answered(versionNew).first, p.audience.answered(versionOld).last
	p.screen.say(fmt.Sprintf("\ndeployment %s %s\nrequests %d, failed %d", s.DeploymentID, s.Status, s.Requests, s.Failed))
	if !begun.IsZero() && !first.IsZero() {
		s.ContinueToFirstNewMs, s.ContinueToLastOldMs = milliseconds(first.Sub(begun)), milliseconds(old.Sub(begun))
		p.screen.say(fmt.Sprintf("first %s answer %.1f ms after ContinueDeployment\nlast %s answer %.1f ms after ContinueDeployment",
			versionNew, s.ContinueToFirstNewMs, versionOld, s.ContinueToLastOldMs))
	}
	switch {
	case last.status != types.DeploymentStatusSucceeded:
		return s, fmt.Errorf("%w: deployment %s is %s: %s", ErrLost, last.id, last.status, last.problem)
	case seen.failed > 0:
		return s, fmt.Errorf("%w: %d of %d requests failed: %v", ErrLost, seen.failed, seen.requests, seen.failures)
	case first.IsZero():
		return s, fmt.Errorf("%w: %s never answered", ErrLost, versionNew)
	}
	return s, nil
}

// milliseconds rounds to tenths.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}
