// Command job measures a whole server of this process, with agents, a load balancer and requests through it, over real connections with real
// signatures and durable writes:
//
//   - the overhead of a whole blue/green deployment over two hosts with no-op hooks and no waits;
//   - from the accepted ContinueDeployment to the first answer of the replacement and to the last new request at the original, over many
//     reroutings back and forth under load, and how many requests failed;
//   - calls of the control API per second.
//
// Everything shares this machine's cores with the load that measures it. Run it with `go run ./bench/job`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"

	"crossfade/internal/sigv4"
)

func main() {
	var o options
	flag.IntVar(&o.reroutes, "reroutes", 50, "how many reroutings, back and forth")
	flag.IntVar(&o.rate, "rate", 1000, "requests per second during the reroutings")
	flag.DurationVar(&o.work, "work", 0, "how long the application works on a request; more than 0 makes the requests POSTs")
	flag.DurationVar(&o.calls, "calls", 5*time.Second, "how long each operation of the control API is called")
	flag.IntVar(&o.clients, "clients", 32, "how many clients call the control API at once")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the calls of the control API to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	reroutes, rate, clients int
	calls, work             time.Duration
	profile                 string
}

var root = sigv4.Credential{AccessKeyID: "AKIDBENCH", SecretAccessKey: "bench-secret-bench-secret"}

const region = "us-east-1"

func run(ctx context.Context, o options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "crossfade-bench-job-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := assemble(ctx, dir, o.work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.end()) }()
	fmt.Fprintf(out, "%s %s/%s, %d CPUs\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.measureReroutes(ctx, o, out); err != nil {
		return err
	}
	return r.measureCalls(ctx, o, out)
}
