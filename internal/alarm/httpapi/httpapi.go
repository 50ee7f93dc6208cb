// Package httpapi asks the JSON APIs that alarms are read from over HTTP.
//
// It owns what every such question has: the address, the credentials, the time and the size that an answer may take, and the reading of
// refusals as the alarm port's errors. It knows no API, keeps nothing, and tries nothing twice: the engine asks again anyway. A [Client] is safe
// for concurrent use.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crossfade/internal/alarm"
)

const (
	// DefaultTimeout is how long all questions of one look at the alarms may take; the engine looks every 10 s.
	DefaultTimeout = 5 * time.Second
	// maxAnswer is the size of the largest answer that is read.
	maxAnswer = 16 << 20
	// maxReason is how much of a refusal's text goes into a message.
	maxReason = 300
)

// Options say where to ask, and as whom.
type Options struct {
	// URL is where the API begins, with the path of a prefix if there is one: http://HOST:PORT/prefix. Required.
	URL string
	// BearerToken, or Username and Password, go with every question. All empty: none.
	BearerToken        string
	Username, Password string
	// Timeout bounds one look at the alarms as a whole. Zero: DefaultTimeout.
	Timeout time.Duration
	// HTTP sends the questions; nil: a client of the package's own. Its CheckRedirect is not used.
	HTTP *http.Client
}

// Client asks one API.
type Client struct {
	base    *url.URL
	o       Options
	timeout time.Duration
	http    *http.Client
}

// New makes a client. It asks nothing.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	switch {
	case err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("the URL %q is not of the form https://HOST:PORT", o.URL)
	case o.BearerToken != "" && o.Username+o.Password != "":
		return nil, errors.New("there are both a bearer token and a user name: give one of them")
	case o.Password != "" && o.Username == "":
		return nil, errors.New("there is a password without a user name: give both or neither")
	case o.Timeout < 0:
		return nil, fmt.Errorf("the timeout %s is negative: give how long a look at the alarms may take, such as 5s", o.Timeout)
	}
	c := &Client{base: base, o: o, timeout: o.Timeout, http: &http.Client{}}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if o.HTTP != nil {
		*c.http = *o.HTTP
	} else {
		c.http.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	// An API is where it is configured to be. What redirects is a page to sign in at, or would lead the credentials away.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// Bounded is the context of one look at the alarms.
func (c *Client) Bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("%s does not answer within %s", c.base.Host, c.timeout))
}

// Get asks for path with query, and decodes the answer.
func (c *Client) Get(ctx context.Context, path string, query url.Values, into any) error {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base.Host, err)
	}
	return c.send(r, into)
}

// Post asks path with a form, which may be longer than a URL, and decodes the answer.
func (c *Client) Post(ctx context.Context, path string, form url.Values, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base.Host, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.send(r, into)
}

func (c *Client) send(r *http.Request, into any) error {
	r.Header.Set("Accept", "application/json")
	switch {
	case c.o.BearerToken != "":
		r.Header.Set("Authorization", "Bearer "+c.o.BearerToken)
	case c.o.Username != "":
		r.SetBasicAuth(c.o.Username, c.o.Password)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return c.explain(r.Context(), err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s refuses with %s%s; give it credentials that may read: %w", c.base.Host, answer.Status, reason(content), alarm.ErrDenied)
	case answer.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%s refuses with %s%s: %w", c.base.Host, answer.Status, reason(content), alarm.ErrThrottled)
	case answer.StatusCode >= http.StatusMultipleChoices && answer.StatusCode < http.StatusBadRequest:
		return fmt.Errorf("%s redirects to %.100q; configure the URL that answers by itself", c.base.Host, answer.Header.Get("Location"))
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers with %s%s", c.base.Host, answer.Status, reason(content))
	case err != nil:
		return c.explain(r.Context(), err)
	case len(content) > maxAnswer:
		return fmt.Errorf("%s answers with more than %d bytes", c.base.Host, maxAnswer)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read the answer of %s, which is not what was asked for: %w", c.base.Host, err)
	}
	return nil
}

// explain says that the time of the look ran out, rather than that a context ended.
func (c *Client) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("ask %s: %w", c.base.Host, err)
}

// reason is what a refusal says: the member "error" or "message" of JSON, else the text, on one line.
func reason(content []byte) string {
	var told struct{ Error, Message string }
	text := string(content)
	if json.Unmarshal(content, &told) == nil && told.Error+told.Message != "" {
		text = strings.TrimSpace(told.Error + " " + told.Message)
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + " …"
	}
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
