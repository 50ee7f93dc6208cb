package appspec

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// eventLimit is how long the service lets one lifecycle event of a host take, its scripts together.
const eventLimit = time.Hour

// adviseTimeouts holds the timeouts of an event together against the service's limit.
func (p *parser) adviseTimeouts(event *yaml.Node, scripts []Script) {
	var sum time.Duration
	for _, s := range scripts {
		sum += s.Timeout
	}
	if sum > eventLimit {
		p.advise(event, "give the scripts shorter timeouts; one that has none counts as 3600",
			"the timeouts of %s are %d seconds together, and the event is ended after %d", quote(event.Value), int64(sum/time.Second), int64(eventLimit/time.Second))
	}
}

// adviseNoUser warns of a user for a script on Windows.
func (p *parser) adviseNoUser(e pair) {
	if p.host == Windows {
		p.advise(e.key, "remove it", "%s is ignored on Windows", e.name)
	}
}

// adviseList warns of a single value where the official agent takes a list only.
func (p *parser) adviseList(n *yaml.Node, what string) {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		p.advise(n, "write it as a list, ["+n.Value+"]", "%s is a single value, which the official agent can't read", what)
	}
}

// adviseMode warns of digits that YAML reads as another number than their author.
func (p *parser) adviseMode(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Style == 0 && n.Tag == "!!int" && strings.HasPrefix(n.Value, "0") && len(n.Value) > 1 {
		p.advise(n, "write it in quotes, or without the leading zero", "the official agent takes the mode %s, which has no quotes, for another number", n.Value)
	}
}

// adviseName warns of a pattern that matches nothing.
func (p *parser) adviseName(n *yaml.Node, what, pattern string) {
	if strings.Contains(pattern, "/") {
		p.advise(n, "write the name only, and the directory above it as object", "%s %s never matches: it is held against names directly below the object", what, quote(pattern))
	}
}

// adviseContext warns of what the official agent makes of a context.
func (p *parser) adviseContext(n *yaml.Node, keys map[string]bool) {
	if !keys["range"] {
		p.advise(n, `add "range: s0"`, "the official agent fails with a context that has no range")
	}
	if keys["user"] && !keys["name"] {
		p.advise(n, "add name with the same value", "the official agent reads the SELinux user from the key name, and ignores user")
	}
}

// adviseWhole warns of what concerns the AppSpec as a whole.
func (p *parser) adviseWhole() {
	if base := p.file[strings.LastIndexAny(p.file, `/\\`)+1:]; base == "appspec.yaml" {
		p.advise(nil, "name it appspec.yml", "the hooks of the official agent look for appspec.yml only")
	}
	if len(p.spec.Files) == 0 && len(p.spec.Hooks) == 0 && len(p.problems) == 0 {
		p.advise(nil, "add files or hooks", "the AppSpec installs nothing and runs nothing")
	}
}
