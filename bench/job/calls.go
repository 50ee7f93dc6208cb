package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy"

	"crossfade/internal/sigv4"
)

func (r *rig) measureCalls(ctx context.Context, o options, out io.Writer) error {
	list, err := r.deploy.ListDeployments(ctx, &codedeploy.ListDeploymentsInput{})
	if err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			if err := f.Close(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	get := `{"deploymentId":"` + list.Deployments[0] + `"}`
	if err := r.call(ctx, o, out, "GetDeployment", get); err != nil {
		return err
	}
	return r.createAndDelete(ctx, o, out)
}

// call calls one operation from many clients at once for a while.
func (r *rig) call(ctx context.Context, o options, out io.Writer, name, body string) error {
	return r.clients(ctx, o, out, name, func(ctx context.Context, c *http.Client, _ int) (int, error) {
		return 1, r.post(ctx, c, name, body)
	})
}

// createAndDelete makes an application and takes it away again: two durable writes, and no quota is reached.
func (r *rig) createAndDelete(ctx context.Context, o options, out io.Writer) error {
	return r.clients(ctx, o, out, "CreateApplication, DeleteApplication", func(ctx context.Context, c *http.Client, client int) (int, error) {
		body := fmt.Sprintf(`{"applicationName":"bench-%d"}`, client)
		if err := r.post(ctx, c, "CreateApplication", body); err != nil {
			return 0, err
		}
		return 2, r.post(ctx, c, "DeleteApplication", body)
	})
}

func (r *rig) clients(ctx context.Context, o options, out io.Writer, name string, once func(context.Context, *http.Client, int) (int, error)) error {
	ctx, stop := context.WithTimeout(ctx, o.calls)
	defer stop()
	var mu sync.Mutex
	var took []time.Duration
	var calls int
	var failure error
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range o.clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				at := time.Now()
				n, err := once(context.WithoutCancel(ctx), client, i)
				mu.Lock()
				calls += n
				if err != nil {
					failure = err
				} else {
					took = append(took, time.Since(at)/time.Duration(n))
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if failure != nil {
		return fmt.Errorf("%s: %w", name, failure)
	}
	fmt.Fprintf(out, "%s from %d clients: %.0f calls/s, a call %s\n", name, o.clients, float64(calls)/time.Since(begun).Seconds(), spread(took))
	return nil
}

func (r *rig) post(ctx context.Context, c *http.Client, operation, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.server.Endpoint()+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Amz-Target", "CodeDeploy_20141006."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	sigv4.Sign(req, root, region, "codedeploy", sigv4.Hash([]byte(body)), time.Now())
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", operation, res.Status, answer)
	}
	return nil
}
