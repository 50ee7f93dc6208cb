// Package webhook posts messages to an https URL, signed as Standard Webhooks (https://www.standardwebhooks.com) describes, so that the receiver
// can tell that they come from here, are whole, and are not sent again by somebody else.
//
// It owns the request, its signature and what an answer means: 2xx is success; 408, 425, 429, what is not 4xx, and no answer at all are worth
// another try; every other 4xx is not. It follows no redirect, since a body signed for one receiver is not for another, and reads little of the
// answer. It tries once and keeps nothing. A [Sink] is safe for concurrent use.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"crossfade/internal/notify"
)

// The bounds of a request.
const (
	answerTime = 15 * time.Second
	answerMost = 4 << 10 // of the answer's body; the rest is not read
	excerpt    = 200     // of the answer's body, for the log
)

// secretPrefix begins every secret; what follows is base64.
const secretPrefix = "whsec_"

// The length of a secret's key in bytes, as Standard Webhooks sets it.
const (
	secretLeast = 24
	secretMost  = 64
)

// Options say where to post. URL and at least one secret are required.
type Options struct {
	// URL is https://…, or http://… of this machine itself.
	URL string
	// Secrets sign, each with a signature of its own: while a receiver goes over from one to another, both are given.
	Secrets []string
	// Now is the clock of the signatures; nil: the system's.
	Now func() time.Time
	// Transport sends the requests; nil: one of the package's own.
	Transport http.RoundTripper
}

// Sink posts to one URL.
type Sink struct {
	url    string
	shown  string // the URL without path and query, which may be secret
	keys   [][]byte
	now    func() time.Time
	client *http.Client
}

var _ notify.Sink = (*Sink)(nil)

// New makes a sink. It asks the receiver nothing.
func New(o Options) (*Sink, error) {
	u, err := CheckURL(o.URL)
	if err != nil {
		return nil, err
	}
	s := &Sink{url: o.URL, shown: u.Scheme + "://" + u.Host, now: o.Now}
	for _, secret := range o.Secrets {
		key, err := Key(secret)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 {
		return nil, errors.New("the webhook has no secret: give one, whsec_ and 24 to 64 random bytes in base64")
	}
	if s.now == nil {
		s.now = time.Now
	}
	transport := o.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxConnsPerHost = 16
		transport = own
	}
	s.client = &http.Client{
		Transport: transport, Timeout: answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// CheckURL parses the URL of a receiver, or says what is wrong with it.
func CheckURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, fmt.Errorf("%q is not a URL such as https://hooks.example.com/deployments", text)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("the URL of host %s has a user or a fragment: leave them out; the signature is what the receiver checks", u.Host)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%q would send messages in the clear: write https; plain http is for receivers on this machine", text)
	}
	return u, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Key is the key of a secret, or says what is wrong with it, without showing it.
func Key(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < secretLeast || len(key) > secretMost {
		return nil, errors.New("a webhook's secret is not whsec_ and 24 to 64 bytes in base64: make one with: echo whsec_$(openssl rand -base64 32)")
	}
	return key, nil
}

// Send implements notify.Sink.
func (s *Sink) Send(ctx context.Context, m notify.Message) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(m.Body))
	if err != nil {
		return fmt.Errorf("post to %s: %w", s.shown, err)
	}
	at := strconv.FormatInt(s.now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Crossfade")
	r.Header.Set("Webhook-Id", m.ID)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", s.sign(m.ID, at, m.Body))
	answer, err := s.client.Do(r)
	if err != nil {
		return fmt.Errorf("post to %s: %w", s.shown, withoutURL(err))
	}
	defer answer.Body.Close()
	// What is read to its end lets the connection be used again; what can't be read changes nothing of the answer.
	body, readErr := io.ReadAll(io.LimitReader(answer.Body, answerMost))
	if answer.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("post to %s: it answered %s%s", s.shown, answer.Status, words(body, readErr))
	if final(answer.StatusCode) {
		return notify.Permanent(err)
	}
	return err
}

// sign is a signature by each key, apart by blanks.
func (s *Sink) sign(id, at string, body []byte) string {
	var all []string
	for _, key := range s.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + at + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// final reports whether the receiver refuses the message for good.
func final(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 4
}

// withoutURL takes the URL, of which path and query may be secret, out of a client's error.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// words is the beginning of an answer as one line.
func words(body []byte, err error) string {
	if err != nil || len(body) == 0 {
		return ""
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), excerpt)]), "")), " ")
	return ": " + strconv.Quote(text)
}
