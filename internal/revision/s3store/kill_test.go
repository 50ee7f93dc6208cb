package s3store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"crossfade/internal/revision/s3store"
)

// victimDir tells this test binary to be a process that writes until it is killed.
const victimDir = "S3STORE_VICTIM_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// victim replaces a few objects over and over, and says which generation of which key was acknowledged.
func victim(dir string) error {
	s, err := s3store.Open(options(dir))
	if err != nil {
		return err
	}
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		return err
	}
	for n := 1; ; n++ {
		key := fmt.Sprint("key", n%3)
		body := bytes.Repeat([]byte(fmt.Sprintf("%09d\n", n)), 20_000)
		if _, err := s.Put(context.Background(), "bundles", key, nil, s3store.Condition{}, s3store.Content{Body: bytes.NewReader(body), Length: int64(len(body))}); err != nil {
			return err
		}
		if _, err := fmt.Println(key, n); err != nil {
			return err
		}
	}
}

// TestKilledAtAnyMoment kills a writing process and holds that what it had acknowledged is there, whole, or replaced by something newer.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), victimDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := map[string]int{}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			key, generation, _ := strings.Cut(lines.Text(), " ")
			if acknowledged[key], err = strconv.Atoi(generation); err != nil {
				t.Fatal(err)
			}
			if n == 5+7*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("the process was not killed: %v", err)
		}
		s := open(t, options(dir))
		for key, least := range acknowledged {
			got, err := get(s, key)
			if err != nil || len(got) != 200_000 {
				t.Fatalf("%s: %d bytes, %v", key, len(got), err)
			}
			generation, err := strconv.Atoi(got[:9])
			if err != nil || generation < least || strings.Count(got, got[:10]) != 20_000 {
				t.Errorf("%s has generation %d, not whole or older than %d: %v", key, generation, least, err)
			}
		}
	}
}
