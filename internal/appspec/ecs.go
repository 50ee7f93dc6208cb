package appspec

import (
	"regexp"
	"strconv"
	"sync"

	"go.yaml.in/yaml/v3"
)

// definition is the ARN of a task definition, with or without its revision.
var definition = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:task-definition/[A-Za-z0-9_-]{1,255}(:[1-9]\d*)?$`)
})

func (r resources) service(n *yaml.Node) {
	const what = "the service's Properties"
	found, ok := r.fields(n, what, "TaskDefinition", "LoadBalancerInfo", "PlatformVersion", "NetworkConfiguration", "CapacityProviderStrategy")
	if !ok {
		return
	}
	if v := r.must(found, n, "TaskDefinition", what, "add the task definition's ARN"); v != nil {
		switch value, ok := r.word(v, "TaskDefinition"); {
		case !ok:
		case value == "<TASK_DEFINITION>":
			r.advise(v, "deploy it with a pipeline that does, or write the ARN", "TaskDefinition is a placeholder that a pipeline replaces")
		case !definition().MatchString(value):
			r.advise(v, "write it as arn:aws:ecs:REGION:ACCOUNT:task-definition/FAMILY:REVISION", "TaskDefinition is %s, not the ARN of a task definition", quote(value))
		}
	}
	if v := r.must(found, n, "LoadBalancerInfo", what, "add LoadBalancerInfo with ContainerName and ContainerPort"); v != nil {
		r.balancer(v)
	}
	if v, there := found["PlatformVersion"]; there {
		r.word(v, "PlatformVersion")
	}
	if v, there := found["NetworkConfiguration"]; there && !isNull(v) {
		r.network(v)
	}
	if v, there := found["CapacityProviderStrategy"]; there {
		r.strategy(v)
	}
}

func (r resources) balancer(n *yaml.Node) {
	found, ok := r.fields(n, "LoadBalancerInfo", "ContainerName", "ContainerPort")
	if !ok {
		return
	}
	if v := r.must(found, n, "ContainerName", "LoadBalancerInfo", "add the container that takes the traffic"); v != nil {
		r.word(v, "ContainerName")
	}
	if v := r.must(found, n, "ContainerPort", "LoadBalancerInfo", "add the container's port, a number"); v != nil {
		r.number(v, "ContainerPort", 1, 65535)
	}
}

// number reads a whole number; false: it is reported to be none within the limits.
func (r resources) number(n *yaml.Node, what string, least, greatest int) (int, bool) {
	value, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || value < least || value > greatest {
		r.report(r.problem(n, "write it without quotes, such as "+strconv.Itoa(max(least, 1)), "%s is %s, not a whole number from %d to %d", what, kindOf(n), least, greatest))
		return 0, false
	}
	if n.Tag != "!!int" {
		r.advise(n, "remove the quotes", "%s is text, where a number is expected", what)
	}
	return value, true
}

func (r resources) network(n *yaml.Node) {
	found, ok := r.fields(n, "NetworkConfiguration", "AwsvpcConfiguration")
	if !ok {
		return
	}
	v := r.must(found, n, "AwsvpcConfiguration", "NetworkConfiguration", "add it, or remove NetworkConfiguration")
	if v == nil {
		return
	}
	vpc, ok := r.fields(v, "AwsvpcConfiguration", "Subnets", "SecurityGroups", "AssignPublicIp")
	if !ok {
		return
	}
	const hint = "give all of Subnets, SecurityGroups and AssignPublicIp, or remove NetworkConfiguration"
	for _, key := range []string{"Subnets", "SecurityGroups"} {
		list := r.must(vpc, v, key, "AwsvpcConfiguration", hint)
		if list == nil {
			continue
		}
		names, err := r.texts(list, key)
		if err != nil {
			r.report(err)
		} else if len(names) == 0 {
			r.report(r.problem(list, hint, "%s is empty", key))
		}
	}
	if ip := r.must(vpc, v, "AssignPublicIp", "AwsvpcConfiguration", hint); ip != nil {
		if value, ok := r.word(ip, "AssignPublicIp"); ok && value != "ENABLED" && value != "DISABLED" {
			r.report(r.problem(ip, "write ENABLED or DISABLED", "AssignPublicIp is %s", quote(value)))
		}
	}
}

func (r resources) strategy(n *yaml.Node) {
	items, err := r.sequence(n, "CapacityProviderStrategy")
	if err != nil {
		r.report(err)
		return
	}
	const what = "an entry of CapacityProviderStrategy"
	bases, weights := 0, 0
	for _, item := range items {
		found, ok := r.fields(item, what, "Base", "CapacityProvider", "Weight")
		if !ok {
			continue
		}
		if v := r.must(found, item, "CapacityProvider", what, "add the provider's name, such as FARGATE"); v != nil {
			r.word(v, "CapacityProvider")
		}
		if v, there := found["Base"]; there {
			if base, ok := r.number(v, "Base", 0, 100_000); ok && base > 0 {
				if bases++; bases > 1 {
					r.report(r.problem(v, "keep one", "more than one capacity provider has a Base"))
				}
			}
		}
		if v, there := found["Weight"]; there {
			weight, _ := r.number(v, "Weight", 0, 1000)
			weights += weight
		}
	}
	if len(items) > 1 && weights == 0 {
		r.report(r.problem(n, "give one a Weight above zero", "no capacity provider has a Weight, so no task could be placed"))
	}
}
