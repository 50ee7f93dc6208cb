package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"crossfade/internal/operator"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire/control"
)

// registrars is how many calls that set something up are under way at the same time. Writes share commits, so more are quicker up to a point.
const registrars = 64

// world is what a scenario makes on the server, all of it under names that begin with the run's own.
type world struct {
	*calls
	name     string // of the application, and what all other names begin with
	bucket   string
	made     bool // the bucket was made by this run
	progress func(format string, args ...any)

	mu     sync.Mutex
	hosts  []string
	object string
}

// the tags that select hosts.
const (
	tagRun  = "crossfade-bench"
	tagRole = "crossfade-bench-role"
)

// newWorld makes the application and the bundle.
func newWorld(ctx context.Context, at *Installation, o Options) (*world, error) {
	w := &world{calls: newCalls(at, registrars), name: o.Name, bucket: o.Name, progress: o.Progress}
	if err := w.call(ctx, "CreateApplication", control.CreateApplicationInput{ApplicationName: &w.name}, nil); err != nil {
		return nil, err
	}
	if err := w.upload(ctx); err != nil {
		return nil, errors.Join(err, w.remove(ctx))
	}
	return w, nil
}

// upload puts a bundle without hooks into a bucket of its own.
func (w *world) upload(ctx context.Context) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("appspec.yml")
	if err == nil {
		_, err = io.WriteString(f, "version: 0.0\nos: linux\n")
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return fmt.Errorf("make a bundle: %w", err)
	}
	status, err := w.calls.object(ctx, http.MethodPut, "/"+w.bucket, nil, http.StatusConflict)
	if err != nil {
		return fmt.Errorf("make a bucket: %w", err)
	}
	w.made = status != http.StatusConflict
	if _, err := w.calls.object(ctx, http.MethodPut, w.bundlePath(), b.Bytes(), 0); err != nil {
		return fmt.Errorf("upload a bundle: %w", err)
	}
	w.object = w.bundlePath()
	return nil
}

const bundleKey = "noop.zip"

func (w *world) bundlePath() string { return "/" + w.bucket + "/" + bundleKey }

func (w *world) revision() *control.RevisionLocation {
	kind, bundle := control.RevisionLocationTypeS3, control.BundleTypeZip
	key := bundleKey
	return &control.RevisionLocation{RevisionType: &kind, S3Location: &control.S3Location{Bucket: &w.bucket, Key: &key, BundleType: &bundle}}
}

// each calls f for the numbers below n, some at the same time, and tells the progress. It stops at the first error.
func (w *world) each(ctx context.Context, what string, n int, f func(ctx context.Context, i int) error) error {
	return parallel(ctx, registrars, n, func(ctx context.Context, i int) error {
		if i > 0 && i%1000 == 0 {
			w.progress("%s: %d of %d", what, i, n)
		}
		return f(ctx, i)
	})
}

// parallel calls f for the numbers below n, at most width at the same time. It stops at the first error and returns it.
func parallel(ctx context.Context, width, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(width, n) {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// register makes hosts. tags are those of the i-th besides the run's own.
func (w *world) register(ctx context.Context, n int, tags func(i int) map[string]string) ([]identity, error) {
	made := make([]identity, n)
	err := w.each(ctx, "hosts registered", n, func(ctx context.Context, i int) error {
		name := fmt.Sprintf("%s-h%05d", w.name, i)
		in := operator.AddHostInput{Name: &name, Tags: []control.Tag{{Key: new(tagRun), Value: &w.name}}}
		for k, v := range tags(i) {
			in.Tags = append(in.Tags, control.Tag{Key: &k, Value: &v})
		}
		out, err := w.operator.AddHost(ctx, in)
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.hosts = append(w.hosts, name)
		w.mu.Unlock()
		made[i] = identity{name, *out.IAMUserARN, sigv4.Credential{AccessKeyID: *out.AccessKeyID, SecretAccessKey: *out.SecretAccessKey}}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("register hosts: %w", err)
	}
	return made, nil
}

// remove takes away what was made, unless the server goes away itself. The deployments stay: they are history.
func (w *world) remove(ctx context.Context) error {
	defer w.close()
	if w.at.Keep {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	w.progress("taking away what was made")
	errs := []error{w.call(ctx, "DeleteApplication", control.DeleteApplicationInput{ApplicationName: &w.name}, nil)}
	errs = append(errs, w.each(ctx, "hosts removed", len(w.hosts), func(ctx context.Context, i int) error {
		return w.operator.RemoveHost(ctx, operator.RemoveHostInput{Name: &w.hosts[i]})
	}))
	if w.object != "" {
		_, err := w.calls.object(ctx, http.MethodDelete, w.object, nil, 0)
		errs = append(errs, err)
	}
	if w.made {
		_, err := w.calls.object(ctx, http.MethodDelete, "/"+w.bucket, nil, 0)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
