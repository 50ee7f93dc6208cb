package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

func (r *rig) measureReroutes(ctx context.Context, o options, out io.Writer) error {
	var l load
	under, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	l.post = o.work > 0
	wg.Go(func() { l.run(under, r.front+"/visit", o.rate) })
	defer wg.Wait()
	defer stop()
	var first, last, whole []time.Duration
	begun := time.Now()
	for i := range o.reroutes {
		env, old := "green", "blue"
		if i%2 == 1 {
			env, old = old, env
		}
		took, accepted, err := r.reroute(ctx, env, func() { l.expect(env) })
		if err != nil {
			return err
		}
		whole = append(whole, took)
		first = append(first, l.firstAnswer().Sub(accepted))
		newest := int64(0)
		for _, a := range r.apps {
			if a.environment == old {
				newest = max(newest, a.last.Load())
			}
		}
		last = append(last, time.Unix(0, newest).Sub(accepted))
	}
	seconds := time.Since(begun).Seconds()
	stop()
	wg.Wait()
	fmt.Fprintf(out, "%d blue/green deployments over 2+2 hosts with no-op hooks, %.0f requests/s meanwhile\n", o.reroutes, float64(l.requests.Load())/seconds)
	fmt.Fprintf(out, "  whole deployment, CreateDeployment to Succeeded   %s\n", spread(whole))
	fmt.Fprintf(out, "  ContinueDeployment accepted to first new answer   %s\n", spread(first))
	fmt.Fprintf(out, "  ContinueDeployment accepted to last old request   %s\n", spread(last))
	fmt.Fprintf(out, "  requests %d, failed %d %s\n", l.requests.Load(), l.failed.Load(), l.failure)
	if l.failed.Load() > 0 {
		return errors.New("requests failed")
	}
	return nil
}

func spread(d []time.Duration) string {
	slices.Sort(d)
	at := func(p float64) time.Duration {
		return d[min(len(d)-1, int(p*float64(len(d))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %s  p90 %s  max %s", at(0.5), at(0.9), at(1))
}
