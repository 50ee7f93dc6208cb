// Command lb measures the built-in load balancer beside HAProxy and nginx, in one run on one machine.
//
// It starts two applications that answer 1 KB, then puts each balancer before them in turn, every one in a process of its own, and sends
// requests over keep-alive connections. Rounds alternate between the balancers, so that a slow moment of the machine hits
// all of them; the best, the median and the ratio to HAProxy are printed. A balancer that is not installed is left out with a message.
//
//	go run ./bench/lb            # 32 connections, 5 rounds of 3 s
//	go run ./bench/lb -profile cpu.out
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	role := flag.String("role", "", "internal: run as `application` or balancer in a child process")
	listen := flag.String("listen", "", "internal: address of the child")
	targets := flag.String("targets", "", "internal: comma separated targets of the child")
	var o options
	flag.IntVar(&o.connections, "connections", 32, "keep-alive connections")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds per balancer")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "time of one round")
	flag.IntVar(&o.size, "size", 1024, "bytes of an answer's body")
	flag.IntVar(&o.post, "post", 0, "send POST requests with a body of so many bytes instead of GET")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the built-in balancer to this file")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch *role {
	case "":
		err = compare(ctx, o, os.Stdout)
	case "application":
		err = application(ctx, *listen, o.size)
	case "balancer":
		err = builtin(ctx, *listen, *targets, o.profile)
	default:
		err = fmt.Errorf("unknown role %q", *role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/lb:", err)
		os.Exit(1)
	}
}
