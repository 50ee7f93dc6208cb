// Package seed fills a store with deployments that are over, so that what a long history costs can be measured without waiting for one.
//
// It owns what that history looks like: one application, a hundred groups, and deployments of the past years that came to an end without touching an
// instance: nine of ten succeeded because there was nothing to do, one failed because there were no instances. Every one is made by the state
// machine and written through the store's contract, as the server does it, with state, spec and journal; only the server in between is left out.
// Batches are large, so that a million takes minutes. It never touches what it did not make. It runs in the caller's goroutine.
package seed

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

const (
	groups = 100
	// inBatch is how many deployments one transaction takes.
	inBatch = 2000
	// samples is how many ids are remembered.
	samples = 10_000
	// apart is how far the deployments are apart in time.
	apart = time.Minute
)

// Made is what was put into the store.
type Made struct {
	Application string
	Groups      []string
	Deployments []string // ids, spread over all
}

// Fill puts n deployments into the store. The last one ended before now. Progress is told from time to time.
func Fill(ctx context.Context, s store.Store, account string, n int, now time.Time, progress func(done int)) (Made, error) {
	m := Made{Application: "history"}
	start := now.Add(-time.Duration(n+1) * apart)
	a := deploy.Application{ID: uuid.NewString(), Account: account, Name: m.Application, Platform: deploy.PlatformServer, CreatedAt: start}
	if err := s.CreateApplication(ctx, a, 1<<30); err != nil {
		return m, fmt.Errorf("make the application %s: %w", a.Name, err)
	}
	made := make([]deploy.Group, groups)
	for i := range made {
		g := deploy.Group{ID: uuid.NewString(), Account: account, ApplicationID: a.ID, Application: a.Name, Name: fmt.Sprintf("group-%02d", i), CreatedAt: start}
		g.Settings.Config = "CodeDeployDefault.AllAtOnce"
		if err := s.CreateGroup(ctx, g, 1<<30); err != nil {
			return m, fmt.Errorf("make the group %s: %w", g.Name, err)
		}
		made[i] = g
		m.Groups = append(m.Groups, g.Name)
	}
	every := max(1, n/samples)
	for done := 0; done < n; {
		size := min(inBatch, n-done)
		err := s.Batch(ctx, func(b store.Batch) error {
			for i := done; i < done+size; i++ {
				if err := past(ctx, b, made[i%groups], i, start.Add(time.Duration(i)*apart)); err != nil {
					return fmt.Errorf("make deployment %s: %w", identifier(i), err)
				}
			}
			return nil
		})
		if err != nil {
			return m, err
		}
		for i := done; i < done+size; i++ {
			if i%every == 0 {
				m.Deployments = append(m.Deployments, identifier(i))
			}
		}
		done += size
		progress(done)
	}
	return m, nil
}

// identifier is the i-th deployment's. They look like all others but are not in the order of time, as drawn ones are not.
func identifier(i int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	// A multiplication that is not a multiple of the modulus's factors visits every remainder once.
	const modulus, factor = 36 * 36 * 36 * 36 * 36 * 36 * 36, 48_271_000_003
	v := uint64(i) * factor % modulus
	id := []byte("d-SD0000000")
	for k := len(id) - 1; k >= 4; k-- {
		id[k] = letters[v%36]
		v /= 36
	}
	return string(id)
}

// past writes a deployment from its creation to its end.
func past(ctx context.Context, b store.Batch, g deploy.Group, i int, at time.Time) error {
	id := identifier(i)
	err := b.Apply(ctx, deploy.New(deploy.Spec{
		ID: id, RollbackID: "d-SR" + id[4:], Account: g.Account, ApplicationID: g.ApplicationID, Application: g.Application, GroupID: g.ID, Group: g.Name,
		Kind: deploy.KindInPlace, Creator: deploy.CreatorUser, CreatedAt: at, Config: g.Settings.Config, UpdateOutdatedOnly: true,
		MinimumHealthy: deploy.HealthyHosts{Type: deploy.HostCount}, Style: deploy.Style{Type: deploy.StyleInPlace, Option: deploy.WithoutTrafficCntrl},
		Revision: deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{
			Bucket: "builds", Key: fmt.Sprintf("history/v%d.zip", i%1000), BundleType: "zip", ETag: "0123456789abcdef",
		}},
		GroupSelection: deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "role", Value: g.Name, Type: deploy.KeyAndValue}}},
	}))
	if err != nil {
		return err
	}
	found := deploy.Resolved{}
	if i%10 != 0 {
		found.Originals = []deploy.Selected{{ID: "i-1", Current: true}}
	}
	d, err := b.Deployment(ctx, id)
	if err != nil {
		return err
	}
	ev := deploy.Event{At: at.Add(time.Second), What: found}
	v, err := b.View(ctx, d, deploy.Needs(d, ev.What))
	if err != nil {
		return err
	}
	t, err := deploy.Step(v, ev)
	if err != nil {
		return err
	}
	return b.Apply(ctx, t)
}
