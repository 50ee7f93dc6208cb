package autoscaling

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
)

// machine is an EC2 instance.
type machine struct {
	fleet.Instance
	address string
	tags    map[string]string
}

// idForm is the form of EC2 ids; other names can't be instances here.
var idForm = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)

// atOnce is how many ids are asked for in a call: Auto Scaling takes fifty.
const atOnce = 50

// chunks are the names that have the form of ids, each once.
func chunks(names []string) [][]string {
	ids := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !idForm.MatchString(n) })
	slices.Sort(ids)
	return slices.Collect(slices.Chunk(slices.Compact(ids), atOnce))
}

// existing are the states of instances that there still are. Stopped ones are selected too, and then count as failures, as in CodeDeploy.
var existing = filter{"instance-state-name", []string{"pending", "running", "stopping", "stopped"}}

// list reads the instances that match the filters.
func (d *Driver) list(ctx context.Context, filters ...filter) ([]machine, error) {
	h, err := d.hosts(ctx)
	if err != nil {
		return nil, err
	}
	reservations, err := d.machines.describe(ctx, append(filters, existing)...)
	if err != nil {
		return nil, fmt.Errorf("describe EC2 instances: %w", err)
	}
	var out []machine
	for _, r := range reservations {
		for _, i := range r.Instances {
			out = append(out, d.machine(h, r.Owner, i))
		}
	}
	return out, nil
}

func (d *Driver) machine(h hosts, owner string, i describedOne) machine {
	m := machine{Instance: d.instance(h, partitionOf(d.region).name, owner, i.ID, i.Zone), address: i.PrivateAddress, tags: map[string]string{}}
	for _, t := range i.Tags {
		m.tags[t.Key] = t.Value
	}
	if a := m.tags[deploy.AddressTag]; a != "" {
		m.address = a
	}
	return m
}

// named reads the instances of the names that there are.
func (d *Driver) named(ctx context.Context, names []string) (map[string]machine, error) {
	found := map[string]machine{}
	for _, ids := range chunks(names) {
		// A filter leaves unknown ids out, where naming them would fail the call.
		some, err := d.list(ctx, filter{"instance-id", ids})
		if err != nil {
			return nil, err
		}
		for _, m := range some {
			found[m.Name] = m
		}
	}
	return found, nil
}

// Find implements fleet.Fleet: the InService members of the selection's groups and the EC2 instances that its EC2 tags pick.
func (d *Driver) Find(ctx context.Context, account string, s deploy.Selection) ([]fleet.Instance, error) {
	if !d.ours(account) {
		return nil, nil
	}
	groups, err := d.Groups(ctx, account, s.AutoScalingGroups)
	if err != nil {
		return nil, err
	}
	var out []fleet.Instance
	for _, g := range groups {
		for _, m := range g.Members {
			if m.State == fleet.MemberInService {
				out = append(out, m.Instance)
			}
		}
	}
	if len(s.EC2Filters) > 0 || len(s.EC2TagSet) > 0 {
		// The tags are matched here: the filters of EC2 take * and ? for wildcards, and CodeDeploy's do not.
		all, err := d.list(ctx)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			if deploy.MatchesAny(s.EC2Filters, m.tags) || s.EC2TagSet.Matches(m.tags) {
				out = append(out, m.Instance)
			}
		}
	}
	slices.SortFunc(out, func(a, b fleet.Instance) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b fleet.Instance) bool { return a.Name == b.Name }), nil
}

// Lookup implements fleet.Fleet.
func (d *Driver) Lookup(ctx context.Context, account string, names []string) ([]fleet.Instance, error) {
	if !d.ours(account) {
		return nil, nil
	}
	found, err := d.named(ctx, names)
	if err != nil {
		return nil, err
	}
	var out []fleet.Instance
	for _, n := range names {
		if m, ok := found[n]; ok {
			out = append(out, m.Instance)
		}
	}
	return out, nil
}

// Address implements fleet.Fleet: the private address, unless the instance's tag says otherwise.
func (d *Driver) Address(ctx context.Context, account, name string) (string, error) {
	if !d.ours(account) {
		return "", nil
	}
	found, err := d.named(ctx, []string{name})
	return found[name].address, err
}

// Terminate implements fleet.Fleet. A group has one instance less to have for each of its own: what is terminated is not wanted, and would be
// replaced. Those of a group that is being deleted end with it.
func (d *Driver) Terminate(ctx context.Context, account string, names []string) (notes []string, err error) {
	if !d.ours(account) {
		return nil, nil
	}
	for _, ids := range chunks(names) {
		some, err := d.terminate(ctx, ids)
		notes = append(notes, some...)
		if err != nil {
			return notes, err
		}
	}
	return notes, nil
}

func (d *Driver) terminate(ctx context.Context, ids []string) (notes []string, err error) {
	there, err := d.named(ctx, ids)
	if err != nil {
		return nil, err
	}
	members, err := d.groups.DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: ids})
	if err != nil {
		return nil, fmt.Errorf("look up the Auto Scaling groups of instances: %w", err)
	}
	for _, m := range members.AutoScalingInstances {
		id, group := aws.ToString(m.InstanceId), aws.ToString(m.AutoScalingGroupName)
		if _, ok := there[id]; !ok {
			continue
		}
		delete(there, id)
		note, err := d.endMember(ctx, id, group, aws.ToString(m.LifecycleState))
		if err != nil {
			return notes, err
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	if len(there) == 0 {
		return notes, nil
	}
	var alone []string
	for id := range there {
		alone = append(alone, id)
	}
	slices.Sort(alone)
	if err := d.machines.terminate(ctx, alone); err != nil {
		if refused(err, "OperationNotPermitted") {
			return append(notes, fmt.Sprintf("The instances %s could not be terminated: %s.", strings.Join(alone, ", "), message(err))), nil
		}
		return notes, fmt.Errorf("terminate EC2 instances: %w", err)
	}
	return notes, nil
}

// endMember ends an instance of a group, or says why that can't be.
func (d *Driver) endMember(ctx context.Context, id, group, state string) (note string, err error) {
	if strings.HasPrefix(state, "Terminat") {
		return "", nil
	}
	found, err := d.describe(ctx, []string{group})
	if err != nil || len(found) > 0 && aws.ToString(found[0].Status) != "" { // a status is only there while the group is deleted
		return "", err
	}
	_, err = d.groups.TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{
		InstanceId: &id, ShouldDecrementDesiredCapacity: aws.Bool(true),
	})
	switch {
	case refused(err, codeValidation, "not found"):
		return "", nil
	case refused(err, codeValidation):
		return fmt.Sprintf("Instance %s of the Auto Scaling group %s could not be terminated: %s.", id, group, message(err)), nil
	case err != nil:
		return "", fmt.Errorf("terminate instance %s of the Auto Scaling group %s: %w", id, group, err)
	}
	return "", nil
}
