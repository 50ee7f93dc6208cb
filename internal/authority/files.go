package authority

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often the files are looked at, at most.
const lookEvery = 10 * time.Second

// Files is a certificate of the operator's own. When its files change it is read again, so that whoever renews it need not restart the server.
type Files struct {
	cert, key string
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	stamp   string // of the files as they were read last, or tried
}

// OpenFiles reads certificate and key, both PEM, the server's certificate first.
func OpenFiles(cert, key string, now func() time.Time, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, now: now, log: log, looked: now()}
	f.stamp = f.stampNow()
	pair, err := f.read()
	if err != nil {
		return nil, err
	}
	f.current = pair
	return f, nil
}

func (f *Files) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("load the TLS certificate %s: %w", f.cert, err)
	}
	return &pair, nil
}

// stampNow tells one state of the two files from another.
func (f *Files) stampNow() string {
	stamp := ""
	for _, path := range []string{f.cert, f.key} {
		if info, err := os.Stat(path); err == nil {
			stamp += fmt.Sprintf("%d %d ", info.ModTime().UnixNano(), info.Size())
		}
	}
	return stamp
}

// Certificate is what tls.Config.GetCertificate wants. Files that can't be read, or of which only one has changed yet, leave the earlier certificate in
// use.
func (f *Files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.looked) < lookEvery {
		return f.current, nil
	}
	f.looked = now
	stamp := f.stampNow()
	if stamp == f.stamp {
		return f.current, nil
	}
	f.stamp = stamp
	pair, err := f.read()
	if err != nil {
		f.log.Error("the changed TLS certificate can't be used; the earlier one is used on", "file", f.cert, "error", err)
		return f.current, nil
	}
	f.current = pair
	f.log.Info("the TLS certificate was read again", "file", f.cert, "end", pair.Leaf.NotAfter)
	return f.current, nil
}
