package appspec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

const (
	lambdaFunction = "AWS::Lambda::Function"
	ecsService     = "AWS::ECS::Service"
)

// resourceEvents are the lifecycle events of a platform that can call a function.
func resourceEvents(platform Platform) []string {
	if platform == Lambda {
		return []string{"BeforeAllowTraffic", "AfterAllowTraffic"}
	}
	return []string{"BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"}
}

// resources reads an AppSpec of the Lambda or ECS platform. The user guide writes its keys with capitals and without, so both are taken.
func (d *document) resources(content []byte, platform Platform) {
	root, err := d.load(content)
	if err != nil {
		d.report(err)
		return
	}
	d.adviseJSON(content)
	r := resources{d, platform}
	top, ok := r.fields(root, "the AppSpec", "version", "Resources", "Hooks")
	if !ok {
		return
	}
	if n, there := top["version"]; there {
		d.version(n)
	} else {
		d.report(d.problem(root, "add version: 0.0", "the AppSpec has no version"))
	}
	if n := r.must(top, root, "Resources", "the AppSpec", "add the "+r.noun()+" to deploy"); n != nil {
		r.list(n)
	}
	if n, there := top["Hooks"]; there {
		r.hooks(n)
	}
}

// resources reads what follows the Lambda or ECS form.
type resources struct {
	*document
	platform Platform
}

func (r resources) noun() string {
	if r.platform == Lambda {
		return "function"
	}
	return "service"
}

// fields reads a mapping by its keys, whatever their capitals, and warns of others. false: it is reported to be none.
func (r resources) fields(n *yaml.Node, what string, known ...string) (map[string]*yaml.Node, bool) {
	pairs, err := r.mapping(n, what)
	if err != nil {
		r.report(err)
		return nil, false
	}
	found := map[string]*yaml.Node{}
	for _, e := range pairs {
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, e.name) })
		switch {
		case i < 0:
			r.unknown(e.key, known, "the key %s of %s", quote(e.name), what)
		case found[known[i]] != nil:
			r.report(r.problem(e.key, "keep one of them", "%s has the key %s twice", what, known[i]))
		default:
			found[known[i]] = e.value
		}
	}
	return found, true
}

// must finds a key that may not be absent or empty; nil: it is reported to be.
func (r resources) must(found map[string]*yaml.Node, parent *yaml.Node, key, what, hint string) *yaml.Node {
	n, there := found[key]
	if there && !isNull(n) && (n.Kind != yaml.ScalarNode || n.Value != "") {
		return n
	}
	at := parent
	if there {
		at = n
	}
	r.report(r.problem(at, hint, "%s has no %s", what, key))
	return nil
}

// list reads the list of resources, of which there must be one.
func (r resources) list(n *yaml.Node) {
	items, err := r.sequence(n, "Resources")
	if err != nil {
		r.report(err)
		return
	}
	var all []pair
	for _, item := range items {
		pairs, err := r.mapping(item, "an entry of Resources")
		if err != nil {
			r.report(err)
			continue
		}
		all = append(all, pairs...)
	}
	if len(all) == 0 && len(items) == 0 {
		r.report(r.problem(n, "add the "+r.noun()+" to deploy", "Resources is empty"))
	}
	for i, e := range all {
		if i > 0 {
			r.report(r.problem(e.key, "give each "+r.noun()+" a deployment of its own", "Resources has more than one %s", r.noun()))
		}
		r.resource(e)
	}
}

func (r resources) resource(e pair) {
	want := ecsService
	if r.platform == Lambda {
		want = lambdaFunction
	}
	what := "the resource " + quote(e.name)
	if r.platform == ECS && e.name != "TargetService" {
		r.report(r.problem(e.key, "name it TargetService", "%s is not TargetService", what))
	}
	found, ok := r.fields(e.value, what, "Type", "Properties")
	if !ok {
		return
	}
	if n := r.must(found, e.key, "Type", what, "add Type: "+want); n != nil {
		if kind, ok := r.word(n, "Type"); ok && kind != want {
			r.report(r.problem(n, "write "+want+", or validate it for another platform", "the type %s is not one of the %s platform", quote(kind), r.platform))
		}
	}
	n := r.must(found, e.key, "Properties", what, "add Properties")
	if n == nil {
		return
	}
	if r.platform == Lambda {
		r.function(n)
		return
	}
	r.service(n)
}

// word reads a scalar; false: it is reported to be none.
func (r resources) word(n *yaml.Node, what string) (string, bool) {
	value, err := r.text(n, what)
	if err != nil {
		r.report(err)
	}
	return value, err == nil
}

func (r resources) function(n *yaml.Node) {
	const what = "the function's Properties"
	found, ok := r.fields(n, what, "Name", "Alias", "CurrentVersion", "TargetVersion")
	if !ok {
		return
	}
	for _, key := range []string{"Name", "Alias"} {
		if v := r.must(found, n, key, what, "add the function's "+strings.ToLower(key)); v != nil {
			r.word(v, key)
		}
	}
	var versions []string
	for _, key := range []string{"CurrentVersion", "TargetVersion"} {
		v := r.must(found, n, key, what, "add the number of a published version")
		if v == nil {
			continue
		}
		value, ok := r.word(v, key)
		if number, err := strconv.ParseUint(value, 10, 64); ok && (err != nil || number == 0) {
			r.report(r.problem(v, "write the number of a published version; $LATEST and aliases have none", "%s is %s, not a whole number above zero", key, kindOf(v)))
		}
		versions = append(versions, value)
	}
	if len(versions) == 2 && versions[0] == versions[1] {
		r.advise(found["TargetVersion"], "publish a new version", "TargetVersion is the same as CurrentVersion, so no traffic would move")
	}
}

// function is a Lambda function's name or ARN, with or without a version.
var function = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:)?[A-Za-z0-9_-]{1,140}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?$`)
})

func (r resources) hooks(n *yaml.Node) {
	items, err := r.sequence(n, "Hooks")
	if err != nil {
		r.report(err)
		return
	}
	known := resourceEvents(r.platform)
	first := map[string]int{}
	for _, item := range items {
		pairs, err := r.mapping(item, "an entry of Hooks")
		if err != nil {
			r.report(err)
			continue
		}
		for _, e := range pairs {
			if !slices.Contains(known, e.name) {
				r.report(r.problem(e.key, didYouMean(e.name, known, "write one of "+strings.Join(known, ", ")),
					"%s is no lifecycle event with hooks of the %s platform", quote(e.name), r.platform))
				continue
			}
			if line, twice := first[e.name]; twice {
				r.report(r.problem(e.key, "keep one of them", "Hooks has %s twice, first in line %d", e.name, line))
			}
			first[e.name] = e.key.Line
			if value, ok := r.word(e.value, e.name); ok && !function().MatchString(value) {
				r.report(r.problem(e.value, "write the function's name or ARN", "the hook %s is %s, not a Lambda function", e.name, kindOf(e.value)))
			}
		}
	}
}
