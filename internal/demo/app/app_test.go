package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const asApplication = "SERVE_THE_SAMPLE_APPLICATION"

// TestMain lets the test's own binary be the application: a process that is started, found and stopped by its pid file must be a real one.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == asApplication {
		if err := Serve(context.Background(), Options{Listen: os.Args[2], Site: os.Args[3]}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func site(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"VERSION": version + "\n", "index.html": "<p>{{.Version}} of {{.Instance}}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestEachAnswerSaysWhichVersionAndInstanceItIs(t *testing.T) {
	t.Parallel()
	h, err := newHandler(Options{Listen: "127.0.0.9:80", Site: site(t, "v7")})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "<p>v7 of 127.0.0.9:80", "/version": "v7\n", "/healthz": "ok\n"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != 200 || w.Body.String() != want || w.Header().Get(HeaderVersion) != "v7" || w.Header().Get(HeaderInstance) != "127.0.0.9:80" {
			t.Errorf("%s: %d %q %v", path, w.Code, w.Body, w.Header())
		}
	}
}

func TestAProcessIsStartedCheckedAndStopped(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), freeAddress(t)
	p := Process{
		Program: os.Args[0], Args: []string{asApplication, address, site(t, "v1")},
		PIDFile: filepath.Join(dir, "app.pid"), Log: filepath.Join(dir, "app.log"),
	}
	url := "http://" + address + "/version"
	if err := p.Start(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), url, "v1"); err != nil {
		t.Error(err)
	}
	if err := Check(t.Context(), url, "v2"); err == nil || !strings.Contains(err.Error(), `says "v1" where "v2" is expected`) {
		t.Errorf("a wrong version: %v", err)
	}
	content, err := os.ReadFile(p.PIDFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Stop(t.Context(), p.PIDFile); err != nil {
			t.Fatal(err)
		}
	}
	if alive(pid) {
		t.Error("the process is still there")
	}
}

func TestAnApplicationThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := Process{
		Program: os.Args[0], Args: []string{asApplication, freeAddress(t), filepath.Join(dir, "nothing")},
		PIDFile: filepath.Join(dir, "app.pid"), Log: filepath.Join(dir, "app.log"),
	}
	err := p.Start(t.Context(), "http://127.0.0.1:1/version")
	if err == nil || !strings.Contains(err.Error(), "read the site's version") {
		t.Errorf("got %v", err)
	}
}
