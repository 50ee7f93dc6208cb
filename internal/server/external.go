package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"crossfade/internal/auth"
	"crossfade/internal/config"
	"crossfade/internal/edge"
	"crossfade/internal/revision"
	"crossfade/internal/revision/s3client"
	"crossfade/internal/sigv4"
)

// externalObjects puts buckets of other endpoints beside those of the built-in store, for reading. An agent then needs no key but its host's,
// and no route but the one to the server. Whole objects only: that is all that agents ask for.
type externalObjects struct {
	edge.Objects
	sources map[string]revision.Source // by bucket
	log     *slog.Logger
}

// externalSources makes the sources of the configured external buckets, by bucket.
func externalSources(ctx context.Context, c config.Config) (map[string]revision.Source, error) {
	all := map[string]revision.Source{}
	for _, e := range c.Revisions.External {
		region := e.Region
		if region == "" {
			region = c.Region
		}
		client, err := s3client.New(ctx, s3client.Options{
			Region: region, Endpoint: e.Endpoint, PathStyle: e.PathStyle, AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey,
		})
		if err != nil {
			return nil, fmt.Errorf("use the S3 endpoint %q: %w", e.Endpoint, err)
		}
		for _, bucket := range e.Buckets {
			all[bucket] = client
		}
	}
	return all, nil
}

// withExternal adds the external buckets, if any.
func withExternal(inner edge.Objects, sources map[string]revision.Source, log *slog.Logger) edge.Objects {
	if len(sources) == 0 {
		return inner
	}
	return &externalObjects{Objects: inner, sources: sources, log: log}
}

// locate finds the external bucket and the key that a request is about, in the path or in the host name.
func (x *externalObjects) locate(r *http.Request) (source revision.Source, l revision.Location, ok bool) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	bucket, key, _ := strings.Cut(path, "/")
	if source, ok = x.sources[bucket]; ok {
		return source, revision.Location{Bucket: bucket, Key: key, Version: r.URL.Query().Get("versionId")}, true
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil, l, false
	}
	// The longest name that fits, as one may begin another: what was authorised for one bucket must not be served for the other.
	longest := ""
	host = strings.ToLower(host)
	for bucket := range x.sources {
		if strings.HasPrefix(host, bucket+".") && len(bucket) > len(longest) {
			longest = bucket
		}
	}
	if longest != "" {
		return x.sources[longest], revision.Location{Bucket: longest, Key: path, Version: r.URL.Query().Get("versionId")}, true
	}
	return nil, l, false
}

// About implements edge.Objects.
func (x *externalObjects) About(r *http.Request) auth.Objects {
	_, l, ok := x.locate(r)
	if !ok {
		return x.Objects.About(r)
	}
	operation := r.Method
	switch {
	case l.Key != "" && r.Method == http.MethodGet:
		operation = "GetObject"
	case l.Key != "" && r.Method == http.MethodHead:
		operation = "HeadObject"
	}
	return auth.Objects{Operation: operation, Bucket: l.Bucket, Key: l.Key, Version: l.Version}
}

// ServeObject implements edge.Objects.
func (x *externalObjects) ServeObject(w http.ResponseWriter, r *http.Request, about auth.Objects, body *sigv4.Body) {
	source, l, ok := x.locate(r)
	switch {
	case !ok:
		x.Objects.ServeObject(w, r, about, body)
	case l.Key == "" || r.Method != http.MethodGet && r.Method != http.MethodHead:
		x.Refuse(w, r, "MethodNotAllowed", "The bucket "+l.Bucket+" is at another endpoint and is only read here, object by object; write and list it there.")
	default:
		if err := x.send(w, r, source, l); err != nil {
			x.refuse(w, r, l, err)
		}
	}
}

// send answers with the object. Once the answer has begun, what goes wrong breaks it off: fewer bytes than Content-Length says close the
// connection.
func (x *externalObjects) send(w http.ResponseWriter, r *http.Request, source revision.Source, l revision.Location) error {
	if r.Method == http.MethodHead {
		info, err := source.Stat(r.Context(), l)
		if err == nil {
			describe(w.Header(), info)
		}
		return err
	}
	content, info, err := source.Open(r.Context(), l)
	if err != nil {
		return err
	}
	describe(w.Header(), info)
	_, err = io.Copy(w, content)
	if err := errors.Join(err, content.Close()); err != nil {
		x.log.Warn("a bundle of another endpoint was broken off", "bundle", l.String(), "error", err)
	}
	return nil
}

func describe(h http.Header, info revision.Info) {
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(info.Size, 10))
	h.Set("ETag", `"`+info.ETag+`"`)
	if info.Version != "" {
		h.Set("X-Amz-Version-Id", info.Version)
	}
	if !info.Modified.IsZero() {
		h.Set("Last-Modified", info.Modified.UTC().Format(http.TimeFormat))
	}
}

func (x *externalObjects) refuse(w http.ResponseWriter, r *http.Request, l revision.Location, err error) {
	switch {
	case errors.Is(err, revision.ErrNotFound):
		x.Refuse(w, r, "NoSuchKey", "There is no "+l.String()+" at the endpoint of that bucket.")
	case errors.Is(err, revision.ErrDenied):
		x.Refuse(w, r, "AccessDenied", "The endpoint of the bucket "+l.Bucket+" does not let this server read "+l.String()+".")
	default:
		x.log.Warn("a bundle of another endpoint can't be read", "bundle", l.String(), "error", err)
		x.Refuse(w, r, "ServiceUnavailable", "The endpoint of the bucket "+l.Bucket+" can't be read now; the server's log says why.")
	}
}
