package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"crossfade/internal/lb"
)

// children are the processes of a run.
type children struct{ started []*exec.Cmd }

func (c *children) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	cmd.Stdout = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.started = append(c.started, cmd)
	return nil
}

// self starts this program in another role.
func (c *children) self(ctx context.Context, role string, args ...string) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return c.run(ctx, exe, append([]string{"-role", role}, args...)...)
}

func (c *children) stop() {
	for _, cmd := range c.started {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			fmt.Fprintln(os.Stderr, "stop:", err)
		}
		kill := time.AfterFunc(2*time.Second, func() {
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				fmt.Fprintln(os.Stderr, "kill:", err)
			}
		})
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			fmt.Fprintln(os.Stderr, "wait:", err)
		}
		kill.Stop()
	}
}

func startHAProxy(ctx context.Context, fleet *children, dir string, apps []string, _ options) (*contender, error) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		return nil, errors.New("HAProxy is not installed (apt-get install haproxy)")
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `global
  maxconn 4096
  nbthread %d
defaults
  mode http
  option forwardfor
  option http-keep-alive
  http-reuse aggressive
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind %s
  default_backend apps
backend apps
  balance roundrobin
`, runtime.NumCPU(), address)
	for i, a := range apps {
		fmt.Fprintf(&b, "  server app%d %s check\n", i, a)
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	return &contender{name: "HAProxy", address: address}, fleet.run(ctx, path, "-db", "-q", "-f", file)
}

func startNginx(ctx context.Context, fleet *children, dir string, apps []string, _ options) (*contender, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return nil, errors.New("nginx is not installed (apt-get install nginx-light)")
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `daemon off;
worker_processes %d;
pid %[2]s/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
  upstream apps {
    keepalive 64;
    keepalive_requests 1000000000;
`, runtime.NumCPU(), dir)
	for _, a := range apps {
		fmt.Fprintf(&b, "    server %s;\n", a)
	}
	fmt.Fprintf(&b, `  }
  server {
    listen %s;
    location / {
      proxy_pass http://apps;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`, address)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	return &contender{name: "nginx", address: address}, fleet.run(ctx, path, "-p", dir, "-c", file)
}

func startBuiltin(ctx context.Context, fleet *children, _ string, apps []string, o options) (*contender, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	args := []string{"-listen", address, "-targets", strings.Join(apps, ",")}
	if o.profile != "" {
		args = append(args, "-profile", o.profile)
	}
	return &contender{name: "Crossfade", address: address}, fleet.self(ctx, "balancer", args...)
}

// builtin runs the built-in balancer, in a process of its own like the others.
func builtin(ctx context.Context, listen, targets, profile string) (err error) {
	b, err := lb.New(lb.Config{
		Listeners:    []lb.ListenerConfig{{Name: "bench", Address: listen, Forward: []lb.Forward{{TargetGroup: "apps"}}}},
		TargetGroups: []lb.TargetGroupConfig{{Name: "apps"}},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for a := range strings.SplitSeq(targets, ",") {
		if err := b.Register("apps", lb.Target{ID: a, Address: a}); err != nil {
			return err
		}
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, f.Close())
		}()
	}
	if err := b.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return b.Stop(stop)
}
