// Package app is the web server of the sample application: the one process that the demo's deployments start, replace and stop.
//
// It serves a directory that a bundle brought: /VERSION says which release it is, index.html is the page. It owns its process (starting it
// detached from the script that starts it, stopping it by its pid file) and knows nothing of Crossfade.
package app

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Headers of each answer.
const (
	HeaderVersion  = "X-App-Version"
	HeaderInstance = "X-App-Instance"
)

// Options say what to serve.
type Options struct {
	Listen string // host:port
	Site   string // directory with VERSION and index.html
	// Parent is a process without which there is no reason to live; 0: none.
	Parent int
}

const (
	readTimeout  = 10 * time.Second
	stopTimeout  = 5 * time.Second
	parentPeriod = time.Second
)

// Serve serves until ctx ends or the parent is gone, and lets the requests under way finish.
func Serve(ctx context.Context, o Options) error {
	handler, err := newHandler(o)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listen for the application: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	tick := time.NewTicker(parentPeriod)
	defer tick.Stop()
	for {
		select {
		case err := <-served:
			return fmt.Errorf("serve the application: %w", err)
		case <-tick.C:
			if o.Parent != 0 && !alive(o.Parent) {
				cancel()
			}
		case <-ctx.Done():
			end, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer done()
			err := server.Shutdown(end)
			if stopped := <-served; !errors.Is(stopped, http.ErrServerClosed) {
				err = errors.Join(err, stopped)
			}
			if err != nil {
				return fmt.Errorf("stop the application: %w", err)
			}
			return nil
		}
	}
}

// newHandler reads the site once: a deployment changes it only while the application is stopped.
func newHandler(o Options) (http.Handler, error) {
	version, err := os.ReadFile(filepath.Join(o.Site, "VERSION"))
	if err != nil {
		return nil, fmt.Errorf("read the site's version: %w", err)
	}
	index, err := template.ParseFiles(filepath.Join(o.Site, "index.html"))
	if err != nil {
		return nil, fmt.Errorf("read the site's page: %w", err)
	}
	page := struct{ Version, Instance string }{strings.TrimSpace(string(version)), o.Listen}
	mark := func(w http.ResponseWriter) {
		w.Header().Set(HeaderVersion, page.Version)
		w.Header().Set(HeaderInstance, page.Instance)
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			mark(w)
			// The client may be gone; there is nobody to tell.
			if _, err := io.WriteString(w, s+"\n"); err != nil {
				return
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", text("ok"))
	mux.Handle("GET /version", text(page.Version))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		mark(w)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := index.Execute(w, page); err != nil {
			return
		}
	})
	return mux, nil
}
