package postgres

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"crossfade/internal/store"
	"crossfade/internal/store/relational"
)

func opened(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), fresh(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func put(t relational.Tx, name string) error {
	_, err := t.Exec(`INSERT INTO secret (name, sealed) VALUES (?, ?)`, name, []byte(name))
	return err
}

// TestAMemberPaysForItself breaks constraints in every way among members that share a commit.
func TestAMemberPaysForItself(t *testing.T) {
	t.Parallel()
	s := opened(t)
	none := errors.New("none")
	again := func(t relational.Tx) error { return put(t, "taken") }
	members := []func(relational.Tx) error{
		func(t relational.Tx) error { return put(t, "a") },
		func(t relational.Tx) error { return errors.Join(put(t, "lost"), again(t)) },
		func(t relational.Tx) error { // overlooks it
			if err := again(t); !errors.Is(err, store.ErrExists) {
				return nil
			}
			return nil
		},
		func(t relational.Tx) error {
			t.Later(nil, `INSERT INTO secret (name, sealed) VALUES (?, ?)`, "taken", []byte{})
			return nil
		},
		func(t relational.Tx) error {
			t.Later(none, `UPDATE secret SET sealed = ? WHERE name = ?`, []byte{}, "nobody")
			return nil
		},
		func(t relational.Tx) error { return errors.Join(put(t, "lost too"), none) },
		func(t relational.Tx) error {
			t.Later(nil, `INSERT INTO secret (name, sealed) VALUES (?, ?)`, "b", []byte{})
			return nil
		},
		func(t relational.Tx) error { return put(t, "c") },
	}
	wants := []bool{true, false, false, false, false, false, true, true}
	if err := s.write.Do(t.Context(), func(t relational.Tx) error { return put(t, "taken") }); err != nil {
		t.Fatal(err)
	}
	errs := make([]chan error, len(members))
	holds, begun := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	begin := sync.OnceFunc(func() { close(begun) }) // one that stalls is begun anew
	go func() {
		first <- s.write.Do(context.Background(), func(relational.Tx) error { begin(); <-holds; return nil })
	}()
	<-begun
	for i, m := range members {
		errs[i] = make(chan error, 1)
		go func() { errs[i] <- s.write.Do(context.Background(), m) }()
		for waiting := 0; waiting <= i; waiting, _ = s.write.Load() {
			time.Sleep(time.Millisecond)
		}
	}
	close(holds)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	for i, ok := range wants {
		if err := <-errs[i]; (err == nil) != ok {
			t.Errorf("member %d: %v", i, err)
		}
	}
	var names string
	if err := s.db.QueryRowContext(t.Context(), `SELECT string_agg(name, ' ' ORDER BY name) FROM secret`).Scan(&names); err != nil || names != "a b c taken" {
		t.Errorf("kept: %q, %v", names, err)
	}
}

// silent is a connection that loses what is written from some moment on, without anybody saying so.
type silent struct {
	net.Conn
	dead *atomic.Bool
}

func (c silent) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// TestConnectionsDieInSilence has a network forget the connections that read. Whoever reads next does not wait for ever, and goes another way.
func TestConnectionsDieInSilence(t *testing.T) {
	t.Parallel()
	s := opened(t)
	var first atomic.Bool
	var dials atomic.Int32
	config := s.config.Copy()
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if dials.Add(1) > 1 {
			return c, err
		}
		return silent{c, &first}, err
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s.read.db = db
	read := func() error {
		_, err := s.Applications(context.Background(), "1", store.Page{})
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	first.Store(true)
	s.read.patience = 50 * time.Millisecond
	if err := read(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read on the dead connection: %v", err)
	}
	s.read.patience = time.Minute
	if err := read(); err != nil {
		t.Errorf("the one after it: %v", err)
	}
}

// TestAServerThatStallsInTheMiddleOfWhatItSays has its turn, and the database waits for the rest. Others end that.
func TestAServerThatStallsInTheMiddleOfWhatItSays(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), fresh(t)+"&lock_timeout=500ms", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	stalls, err := pgconn.ConnectConfig(t.Context(), &s.config.Copy().Config)
	if err != nil {
		t.Fatal(err)
	}
	p := stalls.StartPipeline(context.WithoutCancel(t.Context()))
	p.SendQueryParams(`BEGIN`, nil, nil, nil, nil)
	p.SendQueryParams(`SELECT pg_advisory_xact_lock(`+strconv.Itoa(writeLock)+`)`, nil, nil, nil, nil)
	p.SendFlushRequest()
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := p.GetResults(); err != nil {
			t.Fatal(err)
		}
	}
	for late := time.Now().Add(time.Minute); ; {
		err := s.write.Do(t.Context(), func(t relational.Tx) error { return put(t, "a") })
		if err == nil {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("nobody can write any more: %v", err)
		}
	}
}

func TestAssign(t *testing.T) {
	t.Parallel()
	type name string
	var text string
	var named name
	var n int
	var small int8
	var yes bool
	var raw []byte
	var maybe sql.NullInt64
	for _, c := range []struct {
		into, value any
		ok          bool
	}{
		{&text, "a", true}, {&text, []byte("b"), true}, {&text, int64(3), true}, {&text, nil, false}, {&named, "c", true}, {&named, true, false},
		{&n, int64(7), true}, {&n, int32(8), true}, {&n, "9", false}, {&n, nil, false}, {&small, int64(300), false},
		{&yes, int64(1), true}, {&yes, false, true}, {&raw, nil, true}, {&raw, "d", true}, {&raw, []byte{0}, true}, {&maybe, nil, true}, {&maybe, int64(5), true},
		{&n, pgtype.Numeric{Int: big.NewInt(12), Exp: 1, Valid: true}, true}, {n, int64(1), false},
	} {
		if err := assign(c.into, c.value); (err == nil) != c.ok {
			t.Errorf("%T into %T: %v", c.value, c.into, err)
		}
	}
	if text != "3" || named != "c" || n != 120 || yes || string(raw) != "\x00" || maybe.Int64 != 5 {
		t.Errorf("%q %q %d %v %v %v", text, named, n, yes, raw, maybe)
	}
}
