package appspec

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxTimeout is the longest timeout that makes sense of any kind; the service ends an event after an hour.
const maxTimeout = 30 * 24 * time.Hour

func (p *parser) hooks(n *yaml.Node) {
	if isNull(n) {
		return
	}
	pairs, err := p.mapping(n, "hooks")
	if err != nil {
		p.report(err)
		return
	}
	known := LifecycleEvents()
	for _, e := range pairs {
		if !slices.Contains(known, e.name) {
			p.warn(e.key, didYouMean(e.name, known, ""), "%s is not a lifecycle event with hooks; its scripts run only if the deployment asks for it", quote(e.name))
		}
		items, err := p.sequence(e.value, "the hook "+quote(e.name))
		if err != nil {
			p.report(err)
		}
		for _, item := range items {
			if s, ok := p.script(e.name, item); ok {
				p.spec.Hooks[e.name] = append(p.spec.Hooks[e.name], s)
			}
		}
		p.adviseTimeouts(e.key, p.spec.Hooks[e.name])
	}
}

// script reads a script of a hook; false: it is reported to be wrong.
func (p *parser) script(event string, item *yaml.Node) (Script, bool) {
	pairs, err := p.mapping(item, "an entry of the hook "+quote(event))
	if err != nil {
		p.report(err)
		return Script{}, false
	}
	s, good := Script{Timeout: DefaultTimeout, Line: item.Line}, true
	for _, e := range pairs {
		switch e.name {
		case "location":
			s.Location, err = p.inBundle(e.value, "location")
		case "timeout":
			s.Timeout, err = p.timeout(e.value)
		case "runas":
			s.RunAs, err = p.text(e.value, "runas")
			s.RunAs = strings.TrimSpace(s.RunAs)
			p.adviseNoUser(e)
		case "sudo":
			s.Sudo, err = p.flag(e.value, "sudo")
			p.adviseNoUser(e)
		default:
			p.unknown(e.key, []string{"location", "timeout", "runas", "sudo"}, "the key %s of a script of %s", quote(e.name), event)
		}
		if err != nil {
			p.report(err)
			good, err = false, nil
		}
	}
	if good && (s.Location == "" || s.Location == ".") {
		p.report(p.problem(item, `add "location: <script in the bundle>"`, "a script of the hook %s has no location", quote(event)))
		good = false
	}
	return s, good
}

func (p *parser) timeout(n *yaml.Node) (time.Duration, error) {
	const hint = "write a whole number of seconds, such as 300"
	value, err := p.text(n, "timeout")
	if err != nil {
		return 0, err
	}
	if value == "" {
		return DefaultTimeout, nil
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, p.problem(n, hint, "the timeout %s is out of range", quote(value))
	case err != nil, math.IsNaN(seconds), seconds < 1:
		return 0, p.problem(n, hint, "the timeout %s is not a number above zero", quote(value))
	case seconds > maxTimeout.Seconds():
		return 0, p.problem(n, hint, "the timeout %s is longer than 30 days", quote(value))
	}
	return time.Duration(seconds) * time.Second, nil
}

func (p *parser) flag(n *yaml.Node, what string) (bool, error) {
	value, err := p.text(n, what)
	if err != nil {
		return false, err
	}
	switch strings.ToLower(value) {
	case "true", "yes", "on":
		return true, nil
	case "", "false", "no", "off":
		return false, nil
	default:
		return false, p.problem(n, "write true or false", "%s is %s", what, quote(value))
	}
}
