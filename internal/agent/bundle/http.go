package bundle

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"crossfade/internal/agent/archive"
	"crossfade/internal/envelope"
)

func (f *Fetcher) fromS3(ctx context.Context, r envelope.S3Revision, dest string) error {
	what := fmt.Sprintf("s3://%s/%s", r.Bucket, r.Key)
	target, err := url.Parse(strings.TrimRight(f.S3Endpoint, "/"))
	if err != nil {
		return fmt.Errorf("download %s: read S3 endpoint: %w", what, err)
	}
	target.Path += "/" + r.Bucket + "/" + r.Key
	target.RawPath = escapePath(target.Path)
	if r.Version != "" {
		target.RawQuery = url.Values{"versionId": {r.Version}}.Encode()
	}
	check := func(res *http.Response) error {
		if res.StatusCode != http.StatusOK {
			return s3Problem(res)
		}
		return checkETag(r.ETag, res.Header.Get("ETag"))
	}
	prepare := func(req *http.Request) error {
		req.Header.Set("X-Amz-Content-Sha256", emptyPayload)
		return f.Sign(ctx, req, "s3", emptyPayload)
	}
	if err := f.download(ctx, target.String(), dest, prepare, check); err != nil {
		return fmt.Errorf("download %s: %w", what, err)
	}
	return nil
}

// escapePath writes a path as signatures have it, with nothing but letters, digits and "-_.~/" as they are, so that what is sent is what is
// signed whoever writes it anew on the way.
func escapePath(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// checkETag compares without quotes. An upload in parts has an ETag too, of another form, so that comparing is all that can be done with it.
func checkETag(want, got string) error {
	want, got = strings.Trim(want, `"`), strings.Trim(strings.TrimPrefix(got, "W/"), `"`)
	if want == "" || want == got {
		return nil
	}
	return &sourceError{final: true, text: fmt.Sprintf("the bundle has the ETag %q, but the revision says %q: it was replaced after the revision was registered; register it again", got, want)}
}

func (f *Fetcher) fromGitHub(ctx context.Context, r envelope.GitHubRevision, token, dest string) (archive.Kind, error) {
	kind, form := archive.Tar, "tarball"
	if r.BundleType == envelope.BundleZip || (r.BundleType == "" && onWindows) {
		kind, form = archive.Zip, "zipball"
	}
	target := strings.TrimRight(f.GitHubURL, "/") + "/repos/" + url.PathEscape(r.Account) + "/" + url.PathEscape(r.Repository) + "/" + form + "/" + url.PathEscape(r.CommitID)
	check := func(res *http.Response) error {
		if res.StatusCode == http.StatusOK {
			return nil
		}
		hint := ""
		switch res.StatusCode {
		case http.StatusNotFound:
			hint = ": check account, repository and commit; a private repository needs a GitHub token"
		case http.StatusUnauthorized, http.StatusForbidden:
			hint = ": check the GitHub token; without one GitHub allows few requests"
		}
		return &sourceError{final: isFinal(res.StatusCode), text: fmt.Sprintf("GitHub answered %s%s", res.Status, hint)}
	}
	prepare := func(req *http.Request) error {
		if token != "" {
			req.Header.Set("Authorization", "token "+token)
		}
		return nil
	}
	if err := f.download(ctx, target, dest, prepare, check); err != nil {
		return "", fmt.Errorf("download commit %s of %s/%s: %w", r.CommitID, r.Account, r.Repository, err)
	}
	return kind, nil
}

// sourceError is what a source answered.
type sourceError struct {
	final bool // asking again is pointless
	text  string
}

func (e *sourceError) Error() string { return e.text }

func isFinal(status int) bool {
	return status >= 300 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// s3Problem reads the XML of an S3 error, and adds what to do about the usual ones.
func s3Problem(res *http.Response) error {
	var answer struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	text := "the store answered " + res.Status
	if err := xml.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&answer); err == nil && answer.Code != "" {
		text += " " + answer.Code + ": " + answer.Message
	}
	switch {
	case answer.Code == "NoSuchBucket":
		text += ": check the bucket's name, and the agent's S3 endpoint"
	case res.StatusCode == http.StatusNotFound:
		text += ": check the key of the revision, and that the upload was complete"
	case res.StatusCode == http.StatusForbidden:
		text += ": check that the host's access key may read the bucket"
	case res.StatusCode >= 300 && res.StatusCode < 400:
		text += ": the bucket is elsewhere; check the agent's S3 endpoint and region"
	}
	return &sourceError{final: isFinal(res.StatusCode), text: text}
}

// download repeats until the file is whole, the source says no, or patience ends.
func (f *Fetcher) download(ctx context.Context, target, dest string, prepare func(*http.Request) error, check func(*http.Response) error) error {
	for attempt := 0; ; attempt++ {
		err := f.downloadOnce(ctx, target, dest, prepare, check)
		var source *sourceError
		if err == nil || ctx.Err() != nil || (errors.As(err, &source) && source.final) || attempt >= len(f.Waits) {
			return err
		}
		f.Log.Warn("download failed and will be repeated", "error", err, "wait", f.Waits[attempt])
		select {
		case <-ctx.Done():
			return err
		case <-time.After(f.Waits[attempt]):
		}
	}
}

func (f *Fetcher) downloadOnce(ctx context.Context, target, dest string, prepare func(*http.Request) error, check func(*http.Response) error) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return &sourceError{final: true, text: err.Error()}
	}
	req.Header.Set("User-Agent", f.UserAgent)
	if err := prepare(req); err != nil {
		return err
	}
	res, err := f.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := check(res); err != nil {
		return err
	}
	if res.ContentLength > f.MaxBytes {
		return f.tooLarge()
	}
	silence := f.Silence
	if silence <= 0 {
		silence = defaultSilence
	}
	deadline := time.AfterFunc(silence, func() { giveUp(errSilent) })
	defer deadline.Stop()
	err = f.save(ctx, listener{res.Body, deadline, silence}, dest)
	if errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	return err
}

const defaultSilence = 80 * time.Second

var errSilent = errors.New("the source has stopped to send in the middle of the bundle")

// listener lets the deadline run while it waits for the source, and not while what came is written.
type listener struct {
	io.Reader
	deadline *time.Timer
	silence  time.Duration
}

func (l listener) Read(p []byte) (int, error) {
	l.deadline.Reset(l.silence)
	defer l.deadline.Stop()
	return l.Reader.Read(p)
}

func (f *Fetcher) tooLarge() error {
	return &sourceError{final: true, text: fmt.Sprintf("the bundle is larger than the limit of %d bytes", f.MaxBytes)}
}

// save writes the content beside dest and gives it its name when it is whole.
func (f *Fetcher) save(ctx context.Context, content io.Reader, dest string) error {
	partial := dest + ".partial"
	file, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return &sourceError{final: true, text: err.Error()}
	}
	n, err := io.Copy(file, io.LimitReader(content, f.MaxBytes+1))
	if err == nil && n > f.MaxBytes {
		err = f.tooLarge()
	}
	if err == nil {
		err = ctx.Err()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(partial, dest)
	}
	if err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	return nil
}
