//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/counterpart"
	"crossfade/test/internal/front"
)

const proxyCount = 2

// stage is a whole installation: a database, servers behind a front, and load balancers of their own, each with a listener for each group.
type stage struct {
	t         *testing.T
	dir       string
	database  *counterpart.PostgreSQL
	replicas  []*replica
	front     *front.Front
	groups    []string
	listeners []string // URLs
	visitors  visitors
	endVisits func()
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), database: counterpart.PostgresServer(t)}
	for i := range crewCount {
		s.groups = append(s.groups, fmt.Sprintf("group-%d", i))
	}
	url := s.database.Database(t)
	for i := range replicaCount {
		s.addReplica(fmt.Sprintf("replica-%d", i), url)
	}
	var addresses []string
	for _, r := range s.replicas {
		addresses = append(addresses, r.address)
	}
	s.front = front.New(t, addresses...)
	s.addProxies()
	return s
}

// addReplica starts a server whose way to the database is a wire of its own.
func (s *stage) addReplica(name, database string) {
	s.t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		s.t.Fatal(err)
	}
	socket := filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
	w := newWire(s.t, func() (string, string) { return "unix", socket })
	u.Host, u.RawQuery = w.address(), "sslmode=disable"
	var settings strings.Builder
	fmt.Fprintf(&settings, "store: %s\nagents: {pollHold: 3s}\nrevisions: {buckets: [%s], directory: %s}\nloadBalancer:\n  mode: proxies\n  listeners:\n", u, bucket, filepath.Join(s.dir, "bundles"))
	for _, g := range s.groups {
		fmt.Fprintf(&settings, "    - {name: %s, address: '127.0.0.1:0', forward: [{targetGroup: %s}]}\n", g, g)
	}
	settings.WriteString("  targetGroups:\n")
	for _, g := range s.groups {
		fmt.Fprintf(&settings, "    - {name: %s, deregistrationDelay: 1s, healthCheck: {path: /, interval: 1s, timeout: 5s, healthyThreshold: 1, unhealthyThreshold: 3}}\n", g)
	}
	r := newReplica(s.t, s.dir, name, settings.String())
	r.wire = w
	if len(s.replicas) > 0 {
		s.copyKey(r)
	}
	if err := r.start(0); err != nil {
		s.t.Fatal(err)
	}
	s.until(name+" is ready", func() error { return front.Ready(s.t.Context(), r.address) })
	s.replicas = append(s.replicas, r)
}

// copyKey gives a server the key file of the first, as an operator does.
func (s *stage) copyKey(r *replica) {
	s.t.Helper()
	key, err := os.ReadFile(filepath.Join(s.dir, s.replicas[0].name, "secret.key"))
	to := filepath.Join(s.dir, r.name)
	if err == nil {
		err = errors.Join(os.MkdirAll(to, 0o700), os.WriteFile(filepath.Join(to, "secret.key"), key, 0o600))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// addProxies starts the load balancers. Nothing bad happens to them: they are what must go on.
func (s *stage) addProxies() {
	s.t.Helper()
	program := filepath.Join(s.dir, "crossfade")
	if out, err := exec.Command("go", "build", "-o", program, "crossfade/cmd/crossfade").CombinedOutput(); err != nil {
		s.t.Fatalf("build the program: %v\n%s", err, out)
	}
	for i := range proxyCount {
		name, admin := fmt.Sprintf("edge-%d", i), freeAddress(s.t)
		args := []string{"proxy", "--name", name, "--dir", filepath.Join(s.dir, name), "--endpoint", s.front.URL, "--admin", admin}
		for _, g := range s.groups {
			address := freeAddress(s.t)
			args = append(args, "--listen", g+"="+address)
			s.listeners = append(s.listeners, "http://"+address)
		}
		s.spawn(name, program, args...)
		s.until(name+" is ready", func() error {
			res, err := http.Get("http://" + admin + "/readyz")
			if err == nil {
				err = res.Body.Close()
			}
			if err == nil && res.StatusCode != http.StatusOK {
				err = errors.New(res.Status)
			}
			return err
		})
	}
}

// spawn starts a child that the test's end stops.
func (s *stage) spawn(name, program string, args ...string) {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "CROSSFADE_ROOT_ACCESS_KEY_ID="+root.AccessKeyID, "CROSSFADE_ROOT_SECRET_ACCESS_KEY="+root.SecretAccessKey)
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		err := errors.Join(cmd.Process.Kill(), log.Close())
		if waitErr := cmd.Wait(); err != nil {
			s.t.Errorf("end %s: %v %v", name, err, waitErr)
		}
		if s.t.Failed() {
			s.t.Logf("the log of %s ends with\n%s", name, tail(log.Name(), 3000))
		}
	})
}

// until waits for something to come true.
func (s *stage) until(what string, ok func() error) {
	s.t.Helper()
	var last error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if last = ok(); last == nil {
			return
		}
	}
	s.t.Fatalf("waited in vain until %s: %v", what, last)
}

// visit begins requests to each group at each load balancer.
func (s *stage) visit() {
	ctx, cancel := context.WithCancel(context.Background())
	var visiting sync.WaitGroup
	for _, url := range s.listeners {
		visiting.Go(func() { s.visitors.visit(ctx, url) })
	}
	s.endVisits = func() {
		cancel()
		visiting.Wait()
	}
	s.t.Cleanup(s.endVisits)
}

// freeAddress is one that stays free until it is used, and again after a server on it was killed: on a loopback address that nobody calls from.
func freeAddress(t *testing.T) string {
	t.Helper()
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.N(250), rand.N(250), 1+rand.N(250))
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// tail is the end of a file.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-n):])
}
