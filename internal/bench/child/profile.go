package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

// profiler profiles the process that it is in.
type profiler struct {
	mu      sync.Mutex
	content *bytes.Buffer // nil: no profile is being made
}

// ServeProfiles answers to [Stage]'s questions for profiles of this process, until stop is called.
func ServeProfiles(ctx context.Context, listen string) (stop func(context.Context) error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the profiler: %w", err)
	}
	p := &profiler{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /start", p.start)
	mux.HandleFunc("POST /stop", p.stop)
	mux.HandleFunc("POST /heap", heap)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return func(ctx context.Context) error {
		err := s.Shutdown(ctx)
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}, nil
}

func (p *profiler) start(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &bytes.Buffer{}
	if err := pprof.StartCPUProfile(b); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	p.content = b
}

func (p *profiler) stop(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.content == nil {
		http.Error(w, "no profile is being made", http.StatusConflict)
		return
	}
	pprof.StopCPUProfile()
	answer(w, p.content)
	p.content = nil
}

func heap(w http.ResponseWriter, _ *http.Request) {
	runtime.GC() // so that what is in use is up to date
	b := &bytes.Buffer{}
	if err := pprof.Lookup("heap").WriteTo(b, 0); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, b)
}

// answer sends a profile. One that does not arrive is missed by whoever asked for it.
func answer(w http.ResponseWriter, b *bytes.Buffer) {
	if _, err := b.WriteTo(w); err != nil {
		panic(http.ErrAbortHandler)
	}
}
