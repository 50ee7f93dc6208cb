package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"crossfade/internal/bench"
	"crossfade/internal/bench/child"
	"crossfade/internal/config"
)

func newBenchCommand() *cobra.Command {
	var at reach
	o := bench.Options{}
	var own ownServer
	var groups []string
	var output string
	c := &cobra.Command{
		Use: "bench SCENARIO", Short: "Put load on a server and measure it", Args: cobra.ExactArgs(1),
		ValidArgs: bench.Scenarios(),
		Long: `Put load on a server and measure it: simulated agents that speak the real protocol of hosts over real connections with real signatures, and
deployments through the control API.

  idle     --hosts agents that poll and have nothing to do: the server's memory, processor time and polls
  fleet    one deployment in place over --hosts hosts at once, whose hooks have no scripts
  many     --deployments blue/green deployments at the same time, each over two original and two replacement hosts
  api      calls of the control API by --clients callers, with --stored deployments in the store
  restart  --deployments deployments in flight while the server is killed and started again (only with --start)
  growth   the scenario --of at one, ten and a hundred times the size: what one item costs must not grow

With --start the server is a process of this program with data of its own in a temporary directory, which is removed; its memory and processor
time are in the report, apart from the load's. Without, it is the one at --endpoint, which should have nothing else to do: what is made there is
named after the run and taken away at the end, but for the history of its deployments. The load runs on this machine and takes its share of it.

` + reachHelp,
		Example: `  crossfade bench idle --start --hosts 10000
  crossfade bench fleet --start --hosts 1000 --cpu-profile cpu.pprof
  crossfade bench api --start --stored 1000000 --output json
  crossfade bench growth --of many --start
  crossfade bench fleet --start --store 'postgres://crossfade@db.example.com/bench' --hosts 10000
  crossfade bench many --endpoint http://127.0.0.1:8470 --target-group web --deployments 10`,
		RunE: func(c *cobra.Command, args []string) error {
			o.Scenario = args[0]
			o.Name = "bench-" + strings.ToLower(rand.Text()[:8])
			o.Progress = progressOn(c.ErrOrStderr(), output)
			stage, err := own.stage(&at, groups, o)
			if err == nil {
				err = o.Check()
			}
			if err != nil {
				return &usageError{err}
			}
			if err := raiseFileLimit(); err != nil {
				return err
			}
			// The load's own collections would take the processor from the server that is measured.
			debug.SetGCPercent(400)
			report, err := bench.Run(c.Context(), stage, o)
			if err != nil {
				return err
			}
			return print(c.OutOrStdout(), output, report, report.WriteText)
		},
	}
	at.addFlags(c)
	own.addFlags(c)
	f := c.Flags()
	f.IntVar(&o.Hosts, "hosts", 0, "simulated agents of idle and fleet (default 1000; growth 100)")
	f.IntVar(&o.Deployments, "deployments", 0, "deployments at the same time of many and restart (default 100; growth 10)")
	f.IntVar(&o.Stored, "stored", 0, "deployments that are in the store before api begins, with --start (growth: 10000)")
	f.IntVar(&o.Clients, "clients", 0, "callers at the same time of api (default 16)")
	f.DurationVar(&o.Settle, "settle", 0, "how long idle waits before it measures (default 5s)")
	f.DurationVar(&o.Window, "window", 0, "how long idle measures, and api each operation (default 1m; api 5s)")
	f.DurationVar(&o.Limit, "limit", 0, "after which a scenario that has not ended is given up (default 10m)")
	f.StringVar(&o.Of, "of", "", "what grows in growth: idle, fleet, many, api or restart (default fleet)")
	f.IntSliceVar(&o.Factors, "factors", nil, "the sizes of growth, as multiples of the first (default 1,10,100)")
	f.StringSliceVar(&groups, "target-group", nil, "target groups of the server at --endpoint that many registers hosts with")
	addOutputFlag(c, &output)
	return c
}

// ownServer is what the flags say of a server that the bench starts.
type ownServer struct {
	start    bool
	dir      string
	profile  string
	set      []string
	pollHold time.Duration
	store    string
}

func (s *ownServer) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&s.start, "start", false, "start a server of the bench's own and put the load on that")
	f.StringVar(&s.dir, "dir", "", "directory in which the own server's data is put for the time (default: the system's for temporary files)")
	f.StringVar(&s.profile, "cpu-profile", "", "file for a CPU profile of the own server while it is measured; its memory goes to the same name with .heap")
	f.StringArrayVar(&s.set, "configure", nil, "line of YAML for the own server's configuration; may be given several times")
	f.StringVar(&s.store, "store", "", "URL of an empty database on PostgreSQL for the own server, which is not cleared afterwards (default: SQLite)")
	f.DurationVar(&s.pollHold, "poll-hold", 0, "how long the own server holds polls (default: "+config.Default().Agents.PollHold.String()+")")
}

// stage is the server that the load is put on.
func (s *ownServer) stage(at *reach, groups []string, o bench.Options) (bench.Stage, error) {
	switch {
	case !s.start && (s.dir != "" || s.profile != "" || s.pollHold != 0 || s.store != "" || len(s.set) > 0):
		return nil, errors.New("--dir, --cpu-profile, --configure, --poll-hold and --store are about a server of the bench's own: add --start")
	case s.store != "" && o.Scenario == bench.ScenarioGrowth:
		return nil, errors.New("growth starts a new server for each size, and --store would give the next one the last one's: run the scenario itself with a new database for each size")
	case !s.start && (o.Stored > 0 || o.Scenario == bench.ScenarioRestart || o.Scenario == bench.ScenarioGrowth && (o.Of == bench.ScenarioAPI || o.Of == bench.ScenarioRestart)):
		return nil, fmt.Errorf("%s needs a server of the bench's own for this: add --start", o.Scenario)
	case s.start && (at.endpoint != "" || at.ca != "" || len(groups) > 0):
		return nil, errors.New("--start and --endpoint, --ca or --target-group exclude each other: the own server is known")
	}
	if s.start {
		program, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program to start it: %w", err)
		}
		as := []string{"server"}
		if s.profile != "" {
			as = []string{profiledServer}
		}
		return &child.Stage{
			Program: program, Arguments: as, Environ: withoutSettings(os.Environ()), Dir: s.dir, Configure: s.set, Profile: s.profile, PollHold: s.pollHold, Store: s.store, Progress: o.Progress,
		}, nil
	}
	client, err := at.client(os.Environ())
	if err != nil {
		return nil, err
	}
	return bench.Reached{Installation: bench.Installation{
		Endpoint: client.Endpoint, Region: client.Region, Credential: client.Credential, HTTP: client.HTTP, TargetGroups: groups,
	}}, nil
}

// withoutSettings leaves out what would configure a server: the bench's own has its configuration from the bench alone.
func withoutSettings(environ []string) []string {
	var kept []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "CROSSFADE_") && !strings.HasPrefix(v, "AWS_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// progressOn tells the progress to a terminal, and to nobody else.
func progressOn(w io.Writer, output string) func(string, ...any) {
	f, ok := w.(*os.File)
	if output == "json" || !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string, ...any) {}
	}
	begun := time.Now()
	return func(format string, args ...any) {
		fmt.Fprintf(w, "%7.1fs  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
}

// profiledServer is the command that runs a server which can be profiled.
const profiledServer = "bench-server"

// newBenchServerCommand is the server with a profiler beside it, for the bench's own use: profiles tell what a server works on.
func newBenchServerCommand() *cobra.Command {
	c := newServerCommand()
	c.Use, c.Hidden, c.Short = profiledServer, true, "Run a server that crossfade bench can profile"
	listen := c.Flags().String("profile-listen", "", "loopback host:port of the profiler")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if !config.Loopback(*listen) {
			return &usageError{fmt.Errorf("--profile-listen %q is no loopback address", *listen)}
		}
		stop, err := child.ServeProfiles(c.Context(), *listen)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop(context.WithoutCancel(c.Context()))) }()
		return run(c, args)
	}
	return c
}
