package sim_test

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/engine/sim"
)

var (
	histories = flag.Int("histories", 4_000, "how many random histories to run")
	seed      = flag.Uint64("seed", 0, "run this one history and no other")
)

// TestHistories holds the invariants of package sim over random histories with every fault.
func TestHistories(t *testing.T) {
	t.Parallel()
	run(t, *histories, options, sim.Reached())
}

// TestReplicas holds them with three servers on one store, which die, stall and are stopped, and whose clocks differ.
func TestReplicas(t *testing.T) {
	t.Parallel()
	run(t, *histories/40, func(n uint64) sim.Options {
		o := options(n)
		o.Replicas = 3
		return o
	}, []string{"fenced", "resigned", "behind", "host held by another", "group copied", "shift in steps", "turn came"})
}

func run(t *testing.T, histories int, options func(uint64) sim.Options, reached []string) {
	t.Helper()
	if *seed != 0 {
		o, err := sim.Run(*seed, options(*seed))
		t.Logf("%+v", o)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var (
		next     atomic.Uint64
		mu       sync.Mutex
		statuses = map[deploy.Status]int{}
		total    = sim.Outcome{Reached: map[string]int{}}
		wg       sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for n := next.Add(1); n <= uint64(histories) && !t.Failed(); n = next.Add(1) {
				o, err := sim.Run(n, options(n))
				if err != nil {
					t.Errorf("seed %d: %v (replay with -run %s -seed %d)", n, err, t.Name(), n)
					return
				}
				mu.Lock()
				for _, s := range o.Deployments {
					statuses[s]++
				}
				total.Steps += o.Steps
				total.Crashes += o.Crashes
				total.Rollbacks += o.Rollbacks
				total.Executions += o.Executions
				for name, n := range o.Reached {
					total.Reached[name] += n
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d histories: %v, %d steps, %d crashes, %d rollbacks, %d executions", histories, statuses, total.Steps, total.Crashes, total.Rollbacks, total.Executions)
	t.Logf("reached: %v", total.Reached)
	// A simulation that never reaches an end proves nothing about it.
	for _, s := range []deploy.Status{deploy.StatusSucceeded, deploy.StatusFailed, deploy.StatusStopped} {
		if !t.Failed() && statuses[s] < histories/100 {
			t.Errorf("only %d of the deployments ended %s: the simulation does not reach it", statuses[s], s)
		}
	}
	for _, name := range reached {
		if !t.Failed() && total.Reached[name] == 0 {
			t.Errorf("no history came to %q", name)
		}
	}
	if !t.Failed() && (total.Crashes == 0 || total.Rollbacks == 0) {
		t.Errorf("no crash or no rollback was simulated: %+v", total)
	}
}

// options gives one history in ten to the fault-free world, and one in five to a server that never dies.
func options(n uint64) sim.Options {
	if n%10 == 0 {
		return sim.Options{Crash: n%20 == 0}
	}
	return sim.Options{Faults: true, Crash: n%5 != 0}
}

// TestSameSeedSameHistory holds that a history can be replayed.
func TestSameSeedSameHistory(t *testing.T) {
	t.Parallel()
	for n := uint64(1); n <= 40; n++ {
		o := options(n)
		o.Replicas = int(n % 4)
		a, errA := sim.Run(n, o)
		b, errB := sim.Run(n, o)
		if fmt.Sprint(a, errA) != fmt.Sprint(b, errB) {
			t.Errorf("seed %d: %v %v, then %v %v", n, a, errA, b, errB)
		}
	}
}
