package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// resource is what a tagged ARN names: an application, a group of one, or a config.
type resource struct{ application, group, config string }

// Both : and / are accepted after the type of a resource.
var resourcePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:[a-z-]+:([a-z0-9-]+):([a-z0-9-]*):([0-9]*):([a-z]+)[:/](.+)$`)
})

// resource notes an ARN that is none, of another place, or of something that has no tags.
func (s *Service) resource(ctx context.Context, p *problems, arn *string) resource {
	if value(arn) == "" {
		return resource{}
	}
	m := resourcePattern().FindStringSubmatch(*arn)
	if m == nil {
		p.add(control.InvalidArnException, "ResourceArn %s is not an ARN.", quote(*arn))
		return resource{}
	}
	service, region, account, kind, name := m[1], m[2], m[3], m[4], m[5]
	application, group, isGroup := strings.Cut(name, "/")
	switch {
	case service != "codedeploy":
		p.add(control.ArnNotSupportedException, "ResourceArn %s belongs to another service.", quote(*arn))
	case region != s.cfg.Region || account != s.account(ctx):
		p.add(control.InvalidArnException, "ResourceArn %s is not of this account and region.", quote(*arn))
	case kind == "application" && !isGroup && namePattern().MatchString(application):
		return resource{application: application}
	case kind == "deploymentgroup" && isGroup && namePattern().MatchString(application) && namePattern().MatchString(group):
		return resource{application: application, group: group}
	case kind == "deploymentconfig" && namePattern().MatchString(name):
		return resource{config: name}
	case kind == "application" || kind == "deploymentgroup" || kind == "deploymentconfig":
		p.add(control.InvalidArnException, "ResourceArn %s does not name an application, a deployment group or a deployment config.", quote(*arn))
	default:
		p.add(control.ArnNotSupportedException, "ResourceArn %s names something that has no tags; applications and deployment groups have.", quote(*arn))
	}
	return resource{}
}

// TagResource implements control.Service.
func (s *Service) TagResource(ctx context.Context, in *control.TagResourceInput) (*control.TagResourceOutput, error) {
	p := s.check("TagResource", in)
	r := s.resource(ctx, p, in.ResourceArn)
	added := p.resourceTags("Tags", in.Tags)
	if err := p.err(); err != nil {
		return nil, err
	}
	err := s.changeResourceTags(ctx, r, func(tags map[string]string) error {
		maps.Copy(tags, added)
		if len(tags) > maxResourceTags {
			return wire.Errorf(control.InvalidTagsToAddException, "The resource would have %d tags, and may have %d.", len(tags), maxResourceTags)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &control.TagResourceOutput{}, nil
}

// UntagResource implements control.Service. Removing a tag that is not there succeeds.
func (s *Service) UntagResource(ctx context.Context, in *control.UntagResourceInput) (*control.UntagResourceOutput, error) {
	p := s.check("UntagResource", in)
	r := s.resource(ctx, p, in.ResourceArn)
	for i, k := range in.TagKeys {
		if k == "" || len([]rune(k)) > maxTagKey {
			p.add(control.InvalidTagsToAddException, "TagKeys[%d] has not 1 to %d characters.", i, maxTagKey)
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	err := s.changeResourceTags(ctx, r, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &control.UntagResourceOutput{}, nil
}

func (s *Service) changeResourceTags(ctx context.Context, r resource, change func(map[string]string) error) error {
	if r.config != "" {
		if _, err := s.config(ctx, r.config); err != nil {
			return err
		}
		return wire.Errorf(control.ArnNotSupportedException, "The deployment config %s can't have tags; applications and deployment groups can.", r.config)
	}
	if r.group == "" {
		app, err := s.application(ctx, r.application)
		if err != nil {
			return err
		}
		tags := map[string]string{}
		maps.Copy(tags, app.Tags)
		if err := change(tags); err != nil {
			return err
		}
		err = s.cfg.Store.SetApplicationTags(ctx, app.Account, app.Name, tags)
		if errors.Is(err, store.ErrNotFound) {
			return noApplication(app.Name)
		}
		if err != nil {
			return fmt.Errorf("tag application %s: %w", app.Name, err)
		}
		return nil
	}
	app, g, err := s.group(ctx, r.application, r.group)
	if err != nil {
		return err
	}
	err = s.cfg.Store.UpdateGroup(ctx, app.Account, g.ID, func(g *deploy.Group) error {
		tags := map[string]string{}
		maps.Copy(tags, g.Tags)
		g.Tags = tags
		return change(tags)
	})
	var exception *wire.Error
	switch {
	case errors.As(err, &exception):
		return exception
	case errors.Is(err, store.ErrNotFound):
		return noGroup(g.Name)
	case err != nil:
		return fmt.Errorf("tag deployment group %s of %s: %w", g.Name, app.Name, err)
	}
	return nil
}

// ListTagsForResource implements control.Service. An unknown resource has no tags: the operation declares no exception for it.
func (s *Service) ListTagsForResource(ctx context.Context, in *control.ListTagsForResourceInput) (*control.ListTagsForResourceOutput, error) {
	p := s.check("ListTagsForResource", in)
	r := s.resource(ctx, p, in.ResourceArn)
	if err := p.err(); err != nil {
		return nil, err
	}
	var tags map[string]string
	var err error
	switch {
	case r.config != "":
		// Configs have none.
	case r.group == "":
		var app deploy.Application
		app, err = s.cfg.Store.Application(ctx, s.account(ctx), r.application)
		tags = app.Tags
	default:
		var g deploy.Group
		g, err = s.cfg.Store.Group(ctx, s.account(ctx), r.application, r.group)
		tags = g.Tags
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read the tags of %s: %w", *in.ResourceArn, err)
	}
	return &control.ListTagsForResourceOutput{Tags: tagsOut(tags)}, nil
}
