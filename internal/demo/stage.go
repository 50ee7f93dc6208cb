package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"crossfade/internal/demo/app"
)

// The environments, by the tag that selects them.
const (
	blue  = "blue"
	green = "green"
)

// hostPlan is a machine of the demo: a directory and an address.
type hostPlan struct {
	name        string
	environment string
	dir         string     // what the "machine" keeps
	address     netip.Addr // that its agent polls from and its application serves on
	port        int
}

// listen is where the host's application serves.
func (h hostPlan) listen() string {
	return net.JoinHostPort(h.address.String(), strconv.Itoa(h.port))
}

func (h hostPlan) pidFile() string { return filepath.Join(h.dir, "app", "app.pid") }

// stage is the places that the demo is shown in.
type stage struct {
	dir   string
	port  int // of the applications, the same on every host
	hosts []hostPlan
}

// portTries is how many ports are tried until one is free on every host.
const portTries = 20

// setStage makes a temporary directory and finds addresses for two blue and two green hosts.
func setStage(ctx context.Context) (*stage, error) {
	dir, err := os.MkdirTemp("", "crossfade-demo-")
	if err != nil {
		return nil, fmt.Errorf("make the demo's directory: %w", err)
	}
	s := &stage{dir: dir}
	for i, environment := range []string{blue, blue, green, green} {
		name := fmt.Sprintf("%s-%d", environment, i%2+1)
		s.hosts = append(s.hosts, hostPlan{
			name: name, environment: environment, dir: filepath.Join(dir, name),
			address: netip.AddrFrom4([4]byte{127, 0, 0, byte(11 + i)}),
		})
	}
	for _, h := range s.hosts {
		if err := os.MkdirAll(filepath.Join(h.dir, "app"), 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("make a host's directory: %w", err), s.strike(ctx))
		}
	}
	var problem error
	for range portTries {
		if s.port, problem = s.freePort(ctx); problem == nil {
			break
		}
	}
	if problem != nil {
		return nil, errors.Join(fmt.Errorf("find a port that is free on 127.0.0.11 to 127.0.0.14: %w", problem), s.strike(ctx))
	}
	for i := range s.hosts {
		s.hosts[i].port = s.port
	}
	return s, nil
}

// freePort finds a port that is free on the first host's address and looks whether it is on the others'.
func (s *stage) freePort(ctx context.Context) (port int, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for _, h := range s.hosts {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(h.address.String(), strconv.Itoa(port)))
		if err != nil {
			return 0, err
		}
		held = append(held, l)
		at, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil {
			return 0, err
		}
		port = int(at.Port())
	}
	return port, nil
}

// strike ends the applications that deployments have started, and removes the directory.
func (s *stage) strike(ctx context.Context) error {
	var errs []error
	for _, h := range s.hosts {
		errs = append(errs, app.Stop(ctx, h.pidFile()))
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
