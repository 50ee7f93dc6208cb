package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

type options struct {
	connections, rounds, size, post int
	duration                        time.Duration
	profile                         string
}

// contender is a balancer, or the applications without one, under measurement.
type contender struct {
	name    string
	address string
	rates   []float64
	delays  []time.Duration
}

// compare runs everything and prints the table.
func compare(ctx context.Context, o options, w io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "crossfade-bench-lb-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	var fleet children
	defer func() {
		fleet.stop()
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	var apps []string
	for range 2 {
		a, err := freeAddress()
		if err != nil {
			return err
		}
		if err := fleet.self(ctx, "application", "-listen", a, "-size", strconv.Itoa(o.size)); err != nil {
			return err
		}
		apps = append(apps, a)
	}
	var out strings.Builder
	contenders := []*contender{{name: "no balancer", address: apps[0]}}
	for _, start := range []func(context.Context, *children, string, []string, options) (*contender, error){startHAProxy, startNginx, startBuiltin} {
		c, err := start(ctx, &fleet, dir, apps, o)
		if err != nil {
			fmt.Fprintln(&out, "left out:", err)
			continue
		}
		contenders = append(contenders, c)
	}
	request := makeRequest(o.post)
	for _, c := range contenders {
		if err := awaitAnswer(c.address, request); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if _, _, err := load(ctx, c.address, request, o.connections, o.duration/4); err != nil { // warm up
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for range o.rounds {
		for _, c := range contenders {
			rate, delays, err := load(ctx, c.address, request, o.connections, o.duration)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.rates = append(c.rates, rate)
			c.delays = append(c.delays, delays...)
		}
	}
	report(&out, contenders, o)
	_, err = io.WriteString(w, out.String())
	return err
}

func report(w *strings.Builder, contenders []*contender, o options) {
	what := "GET"
	if o.post > 0 {
		what = fmt.Sprintf("POST of %d bytes", o.post)
	}
	fmt.Fprintf(w, "%s, answers of %d bytes, %d keep-alive connections, %d rounds of %s, %d CPUs, %s; all processes share the machine\n\n",
		what, o.size, o.connections, o.rounds, o.duration, runtime.NumCPU(), runtime.Version())
	fmt.Fprintf(w, "%-14s %12s %12s %10s %10s %10s %12s\n", "", "median req/s", "best req/s", "p50", "p99", "p99.9", "of HAProxy")
	base := 0.0
	for _, c := range contenders {
		if c.name == "HAProxy" {
			base = median(c.rates)
		}
	}
	for _, c := range contenders {
		slices.Sort(c.delays)
		ratio := "-"
		if base > 0 {
			ratio = fmt.Sprintf("%.2f", median(c.rates)/base)
		}
		fmt.Fprintf(w, "%-14s %12.0f %12.0f %10s %10s %10s %12s\n", c.name, median(c.rates), slices.Max(c.rates),
			at(c.delays, 0.5), at(c.delays, 0.99), at(c.delays, 0.999), ratio)
	}
}

func median[T cmp.Ordered](v []T) T {
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

func at(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(time.Microsecond)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func makeRequest(post int) []byte {
	const fields = "Host: bench.example\r\nUser-Agent: crossfade-bench\r\nAccept: */*\r\n"
	if post == 0 {
		return []byte("GET /item?id=1 HTTP/1.1\r\n" + fields + "\r\n")
	}
	return []byte("POST /item HTTP/1.1\r\n" + fields + "Content-Length: " + strconv.Itoa(post) + "\r\n\r\n" + strings.Repeat("x", post))
}
