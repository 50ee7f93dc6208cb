package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

func instance(name string) deploy.Instance {
	return deploy.Instance{
		Account: account, Name: name, ARN: "arn:aws:codedeploy:eu-central-1:" + account + ":instance/" + name + "_x",
		IAMUserARN: "arn:aws:iam::" + account + ":user/" + name, RegisteredAt: start,
	}
}

func instances(t *testing.T, s store.Store) {
	ctx := t.Context()
	i := instance("web-1")
	i.Tags = map[string]string{"role": "web"}
	before, _ := s.InstanceChanges()
	must(t, s.RegisterInstance(ctx, i))
	registered, _ := s.InstanceChanges()
	equal(t, "the instance", must1[deploy.Instance](t)(s.Instance(ctx, account, "web-1")), i)
	equal(t, "the instance by host", must1[deploy.Instance](t)(s.InstanceByHost(ctx, i.Host())), i)
	want(t, s.RegisterInstance(ctx, i), store.ErrExists)

	thief := instance("web-2")
	thief.IAMUserARN = i.IAMUserARN
	err := s.RegisterInstance(ctx, thief)
	var taken *store.ARNTakenError
	if !errors.As(err, &taken) || taken.Instance != "web-1" {
		t.Fatalf("a second instance with the ARN: %v", err)
	}
	want(t, err, store.ErrExists)

	must(t, s.SetInstanceAddress(ctx, account, "web-1", "10.0.0.7"))
	must(t, s.SetInstanceAddress(ctx, account, "web-1", "10.0.0.7"))
	i.Address = "10.0.0.7"
	equal(t, "the instance with an address", must1[deploy.Instance](t)(s.Instance(ctx, account, "web-1")), i)
	want(t, s.SetInstanceAddress(ctx, account, "none", "10.0.0.8"), store.ErrNotFound)

	at := start.Add(time.Hour)
	must(t, s.DeregisterInstance(ctx, account, "web-1", at))
	must(t, s.DeregisterInstance(ctx, account, "web-1", at.Add(time.Hour))) // keeps the first time
	must(t, s.DeregisterInstance(ctx, account, "none", at))
	i.Tags, i.Address, i.DeregisteredAt = nil, "", at
	equal(t, "the deregistered instance", must1[deploy.Instance](t)(s.Instance(ctx, account, "web-1")), i)
	_, err = s.InstanceByHost(ctx, i.Host())
	want(t, err, store.ErrNotFound)
	if deregistered, _ := s.InstanceChanges(); before >= registered || registered >= deregistered {
		t.Errorf("the changes were %d before, %d after a registration, %d after a deregistration", before, registered, deregistered)
	}
	want(t, s.SetInstanceAddress(ctx, account, "web-1", "10.0.0.9"), store.ErrNotFound)

	// The ARN is free for another instance now, and the name for another ARN.
	must(t, s.RegisterInstance(ctx, thief))
	session := deploy.Instance{Account: account, Name: "web-1", ARN: "arn:new", IAMSessionARN: "arn:aws:sts::" + account + ":assumed-role/r/s", RegisteredAt: at}
	must(t, s.RegisterInstance(ctx, session))
	equal(t, "the replaced instance", must1[deploy.Instance](t)(s.InstanceByHost(ctx, session.IAMSessionARN)), session)
	equal(t, "the other instance", must1[deploy.Instance](t)(s.InstanceByHost(ctx, thief.Host())), thief)
}

func listInstances(t *testing.T, s store.Store) {
	ctx := t.Context()
	for n := range 10 {
		i := instance(fmt.Sprintf("web-%d", n))
		i.Tags = map[string]string{"parity": []string{"even", "odd"}[n%2], "n": fmt.Sprint(n)}
		must(t, s.RegisterInstance(ctx, i))
	}
	for _, n := range []int{3, 4} {
		must(t, s.DeregisterInstance(ctx, account, fmt.Sprintf("web-%d", n), start))
	}
	retag := func(change func(tags map[string]string), names ...string) {
		must(t, s.ChangeInstances(ctx, account, names, func(i *deploy.Instance) error { change(i.Tags); return nil }))
	}
	retag(func(tags map[string]string) { tags["a"], tags["b"] = "twice", "twice" }, "web-5", "web-6")
	retag(func(tags map[string]string) { tags["color"], tags["gone"] = "red", "soon" }, "web-7", "web-8", "web-9")
	retag(func(tags map[string]string) { tags["color"] = "blue"; delete(tags, "gone") }, "web-7", "web-8", "web-9")
	odd := deploy.TagFilter{Key: "parity", Value: "odd", Type: deploy.KeyAndValue}
	for _, c := range []struct {
		name   string
		filter store.InstanceFilter
		want   string
	}{
		{"all", store.InstanceFilter{}, "0123456789"},
		{"registered", store.InstanceFilter{Registration: "Registered"}, "01256789"},
		{"deregistered", store.InstanceFilter{Registration: "Deregistered"}, "34"},
		{"a tag", store.InstanceFilter{Tags: []deploy.TagFilter{odd}}, "1579"},
		{"any of two tags", store.InstanceFilter{Tags: []deploy.TagFilter{odd, {Value: "8", Type: deploy.ValueOnly}}}, "15789"},
		{"a key", store.InstanceFilter{Tags: []deploy.TagFilter{{Key: "n", Type: deploy.KeyOnly}}}, "01256789"},
		{"a value", store.InstanceFilter{Tags: []deploy.TagFilter{{Value: "even", Type: deploy.ValueOnly}}}, "0268"},
		{"a value of two tags", store.InstanceFilter{Tags: []deploy.TagFilter{{Value: "twice", Type: deploy.ValueOnly}}}, "56"},
		{"another value", store.InstanceFilter{Tags: []deploy.TagFilter{{Key: "parity", Value: "none", Type: deploy.KeyAndValue}}}, ""},
		{"the value that was", store.InstanceFilter{Tags: []deploy.TagFilter{{Key: "color", Value: "red", Type: deploy.KeyAndValue}}}, ""},
		{"the value that is", store.InstanceFilter{Tags: []deploy.TagFilter{{Key: "color", Value: "blue", Type: deploy.KeyAndValue}}}, "789"},
		{"a key that was taken away", store.InstanceFilter{Tags: []deploy.TagFilter{{Key: "gone", Type: deploy.KeyOnly}}}, ""},
		{"no kind of filter", store.InstanceFilter{Tags: []deploy.TagFilter{{Key: "n", Type: "?"}}}, ""},
		{"a tag of the deregistered", store.InstanceFilter{Registration: "Deregistered", Tags: []deploy.TagFilter{odd}}, ""},
	} {
		for _, size := range []int{0, 1, 3} {
			got := ""
			p := store.Page{Limit: size}
			for {
				page := must1[[]deploy.Instance](t)(s.Instances(ctx, account, c.filter, p))
				for _, i := range page {
					got += i.Name[4:]
				}
				if size == 0 || len(page) < size {
					break
				}
				p.After = page[len(page)-1].Name
			}
			equal(t, c.name, got, c.want)
		}
	}
	if _, err := s.Instances(ctx, account, store.InstanceFilter{Registration: "registered"}, store.Page{}); err == nil {
		t.Fatal("an unknown registration is accepted")
	}
}

func changeInstances(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, n := range []string{"a", "b", "c"} {
		must(t, s.RegisterInstance(ctx, instance(n)))
	}
	must(t, s.DeregisterInstance(ctx, account, "c", start))
	tag := func(i *deploy.Instance) error {
		if i.Tags == nil {
			i.Tags = map[string]string{}
		}
		i.Tags["n"] += "x"
		return nil
	}
	untouched := func() {
		t.Helper()
		for _, n := range []string{"a", "b", "c"} {
			if i := must1[deploy.Instance](t)(s.Instance(ctx, account, n)); len(i.Tags) != 0 {
				t.Fatalf("%s was changed by a call that failed: %v", n, i.Tags)
			}
		}
	}
	want(t, s.ChangeInstances(ctx, account, []string{"a", "none"}, tag), store.ErrNotFound)
	untouched()
	want(t, s.ChangeInstances(ctx, account, []string{"a", "c"}, tag), store.ErrNotFound)
	untouched()
	refusal := errors.New("too many tags")
	want(t, s.ChangeInstances(ctx, account, []string{"a", "b"}, func(i *deploy.Instance) error {
		if i.Name == "b" {
			return refusal
		}
		return tag(i)
	}), refusal)
	untouched()
	must(t, s.ChangeInstances(ctx, account, []string{"b", "a", "b"}, tag))
	for _, n := range []string{"a", "b"} {
		equal(t, "the tags", must1[deploy.Instance](t)(s.Instance(ctx, account, n)).Tags, map[string]string{"n": "x"})
	}
}
