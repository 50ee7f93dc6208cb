package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/jackc/pgx/v5"

	"crossfade/test/internal/front"
)

// replica is one of several servers on one PostgreSQL.
type replica struct {
	*process
	name, address string
	deploy        *codedeploy.Client // that server's own, and it doesn't try again
}

// replicaStand is a stand whose servers are replicas behind a front, which is the stand's endpoint, and whose load balancer is a proxy.
type replicaStand struct {
	*stand
	replicas []*replica
	before   *front.Front
}

// newReplicaStand starts servers on a database, of which the URL is given, and a proxy. The settings are lines of the servers' configuration.
func newReplicaStand(t *testing.T, database string, servers int, settings string) *replicaStand {
	t.Helper()
	s := &replicaStand{stand: &stand{t: t, dir: t.TempDir(), program: buildBinary(t)}}
	var addresses []string
	for i := range servers {
		s.replicas = append(s.replicas, &replica{name: fmt.Sprintf("replica-%d", i), address: steadyAddress(t)})
		addresses = append(addresses, s.replicas[i].address)
	}
	s.before = front.New(t, addresses...)
	s.endpoint, s.front = s.before.URL, "http://"+freeAddress(t)
	s.clients()
	for i, r := range s.replicas {
		r.deploy = s.calls("http://"+r.address, 1)
		s.configure(r, database, settings)
		if i > 0 {
			s.copyKey(r)
		}
		s.startReplica(r)
	}
	s.startProxy(&edge{name: "edge", url: s.front, admin: freeAddress(t)})
	return s
}

// steadyAddress is one that nobody else takes while a server that listens there is replaced: no connection goes out from it.
func steadyAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		return freeAddress(t) // only some systems have more than one loopback address
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// configure writes a server's configuration. It lingers for longer than the front takes to notice.
func (s *replicaStand) configure(r *replica, database, settings string) {
	s.t.Helper()
	s.write(r.name+".yaml", settings+fmt.Sprintf(`listen: %s
data: %s
store: %q
endpoint: %s
linger: %s
log: {level: debug}
agents: {pollHold: 5s}
revisions: {buckets: [%s], directory: %s}
loadBalancer:
  mode: proxies
  listeners:
    - {name: web, address: '127.0.0.1:0', forward: [{targetGroup: web}]}
  targetGroups:
    - name: web
      deregistrationDelay: 1s
      healthCheck: {path: /healthz, interval: 200ms, timeout: 1s, healthyThreshold: 1, unhealthyThreshold: 3}
`, r.address, filepath.Join(s.dir, r.name), database, s.endpoint, 4*front.Interval, bucket, filepath.Join(s.dir, "bundles")))
}

// copyKey gives a server the key file of the first, as an operator does.
func (s *replicaStand) copyKey(r *replica) {
	s.t.Helper()
	key, err := os.ReadFile(filepath.Join(s.dir, s.replicas[0].name, "secret.key"))
	if err == nil {
		err = os.MkdirAll(filepath.Join(s.dir, r.name), 0o700)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(filepath.Join(r.name, "secret.key"), string(key))
}

func (s *replicaStand) startReplica(r *replica) {
	s.t.Helper()
	r.process = s.spawn(r.name, s.environment(), "server", "--config", filepath.Join(s.dir, r.name+".yaml"))
	s.t.Cleanup(r.kill) // nobody is there any more for whom to linger
	s.until(r.name+" is ready", func() error {
		err := front.Ready(s.t.Context(), r.address)
		if err == nil && !s.before.Sends(r.address) {
			err = errors.New("the front does not know")
		}
		return err
	})
}

// calls is the control API at an endpoint, which is asked so many times at most.
func (s *stand) calls(endpoint string, attempts int) *codedeploy.Client {
	return codedeploy.New(codedeploy.Options{
		Region: region, BaseEndpoint: &endpoint, RetryMaxAttempts: attempts, Credentials: credentials.NewStaticCredentialsProvider(rootKey, rootSecret, ""),
	})
}

// replace stops a server in good order and starts the stand's program in its place. It holds that the server says first that it is not ready, and serves
// while it says so, and that meanwhile every call succeeds at each other server.
func (s *replicaStand) replace(r *replica) {
	s.t.Helper()
	var others []*caller
	for _, other := range s.replicas {
		if other != r {
			others = append(others, s.call(other.deploy))
		}
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	warned := false
	s.until(r.name+" doesn't listen any more", func() error {
		err := front.Ready(s.t.Context(), r.address)
		if said, ok := errors.AsType[*front.NotReadyError](err); ok {
			if _, err := r.deploy.ListApplications(s.t.Context(), &codedeploy.ListApplicationsInput{}); err != nil && !warned {
				s.t.Errorf("when %s began to say %d it did not serve any more: %v", r.name, said.Status, err)
			}
			warned = true
			return err
		}
		if err == nil && warned {
			s.t.Errorf("%s is ready again although it stops", r.name)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("it answers, %w", err)
		}
		return nil
	})
	if !warned {
		s.t.Errorf("%s stopped listening before it said that it is not ready", r.name)
	}
	select {
	case <-r.done:
	case <-time.After(2 * time.Minute):
		s.t.Fatalf("%s does not come to its end", r.name)
	}
	if state := r.cmd.ProcessState; !state.Success() {
		s.t.Errorf("%s ended with %s", r.name, state)
	}
	s.startReplica(r)
	for _, c := range others {
		c.end(s.t, "at the other server while "+r.name+" was replaced")
	}
}

// grow does to each table what a newer version's migrations may do while older servers go on: it has a column more.
func grow(t *testing.T, database string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	rows, err := c.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'goose%'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 10 {
		t.Fatalf("the tables are %v, %v", tables, err)
	}
	for _, table := range tables {
		if _, err := c.Exec(t.Context(), "ALTER TABLE "+pgx.Identifier{table}.Sanitize()+" ADD COLUMN of_a_later_version text NOT NULL DEFAULT 'new'"); err != nil {
			t.Fatal(err)
		}
	}
}

// caller calls the API again and again without ever trying a call twice, and counts what failed.
type caller struct {
	stop          context.CancelFunc
	done          chan struct{}
	calls, failed atomic.Int64
	first         atomic.Pointer[string] // failure
}

func (s *stand) call(at *codedeploy.Client) *caller {
	ctx, cancel := context.WithCancel(context.Background())
	c := &caller{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for ctx.Err() == nil {
			_, err := at.ListApplications(context.Background(), &codedeploy.ListApplicationsInput{})
			c.calls.Add(1)
			if err != nil {
				c.failed.Add(1)
				why := err.Error()
				c.first.CompareAndSwap(nil, &why)
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	s.t.Cleanup(func() { cancel(); <-c.done })
	return c
}

// end fails the test when a call failed.
func (c *caller) end(t *testing.T, where string) {
	t.Helper()
	c.stop()
	<-c.done
	if n := c.failed.Load(); n > 0 || c.calls.Load() == 0 {
		t.Errorf("%s %d of %d calls failed, the first with %s", where, n, c.calls.Load(), aws.ToString(c.first.Load()))
	}
}

// ownVersion is what a program says of itself in its build information.
var ownVersion = regexp.MustCompile(`mod\tcrossfade\t([^\t\n]+)`)

// newer makes a copy of the program that differs in its version only, which has as many letters, and returns where it is and its version.
func (s *stand) newer() (program, version string) {
	s.t.Helper()
	content, err := os.ReadFile(s.program)
	if err != nil {
		s.t.Fatal(err)
	}
	found := ownVersion.FindSubmatch(content)
	if found == nil || len(found[1]) < len("v99.1.1") {
		s.t.Fatal("the program has no version that can be replaced")
	}
	version = "v99.1.1" + strings.Repeat("1", len(found[1])-len("v99.1.1"))
	content = bytes.ReplaceAll(content, found[0], []byte("mod\tcrossfade\t"+version))
	program = s.write("crossfade-new", string(content))
	if err := os.Chmod(program, 0o700); err != nil { //nolint:gosec // a program
		s.t.Fatal(err)
	}
	return program, version
}

// serves holds that what serves at a URL is of a version.
func (s *stand) serves(who, url, version string) {
	s.t.Helper()
	status, said, err := get(url + "/metrics")
	if err != nil || status != http.StatusOK || !strings.Contains(said, fmt.Sprintf("crossfade_build_info{version=%q} 1", version)) {
		s.t.Errorf("%s is not %s (%d, %v)", who, version, status, err)
	}
}
