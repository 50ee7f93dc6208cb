package appspec

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxTimeout is the longest timeout that makes sense of any kind; the service ends an event after an hour.
const maxTimeout = 30 * 24 * time.Hour

// Parse reads an AppSpec for a host of the given operating system. The name is the file's, for messages. A refusal is a *[Problem].
func Parse(name string, content []byte, host OS) (*Spec, error) {
	d := &document{file: name}
	root, err := d.load(content)
	if err != nil {
		return nil, err
	}
	pairs, err := d.mapping(root, "the AppSpec")
	if err != nil {
		return nil, err
	}
	s := &Spec{Name: name, Hooks: map[string][]Script{}}
	p := parser{document: d, spec: s, host: host}
	if err := p.top(root, pairs); err != nil {
		return nil, err
	}
	return s, nil
}

func (d *document) load(content []byte) (*yaml.Node, error) {
	if len(content) > MaxSize {
		return nil, d.problem(nil, "", "the file is %d bytes, more than the %d allowed", len(content), MaxSize)
	}
	var doc yaml.Node
	if err := unmarshal(content, &doc); err != nil {
		line, text := yamlError(err)
		return nil, &Problem{File: d.file, Line: line, What: "the file is not valid YAML: " + text, Hint: "check the indentation, and use spaces instead of tabs"}
	}
	if doc.Kind == 0 || len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return nil, d.problem(nil, "write at least version, os and files", "the application specification file was empty")
	}
	return doc.Content[0], nil
}

// unmarshal turns a panic of the YAML parser on damaged input into an error: the input comes out of a bundle.
func unmarshal(content []byte, doc *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	return yaml.Unmarshal(content, doc)
}

// yamlError takes the line out of the parser's "yaml: line 3: text".
func yamlError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, after, found := strings.Cut(rest, ": ")
		if n, convErr := strconv.Atoi(number); found && convErr == nil {
			return n, after
		}
	}
	return 0, text
}

type parser struct {
	*document
	spec *Spec
	host OS
}

func (p *parser) warn(n *yaml.Node, format string, args ...any) {
	p.spec.Warnings = append(p.spec.Warnings, fmt.Sprintf("%s line %d: ", p.file, n.Line)+fmt.Sprintf(format, args...))
}

func (p *parser) top(root *yaml.Node, pairs []pair) error {
	var version, system bool
	for _, e := range pairs {
		var err error
		switch e.name {
		case "version":
			version, err = true, p.version(e.value)
		case "os":
			system, err = true, p.system(e.value)
		case "files":
			err = p.files(e.value)
		case "file_exists_behavior":
			err = p.fileExistsBehavior(e.value)
		case "permissions":
			err = p.permissions(e)
		case "hooks":
			err = p.hooks(e.value)
		case "Resources", "Hooks":
			err = p.problem(e.key, "give this deployment a bundle with an AppSpec for servers: version, os, files, hooks",
				"%s belongs to an AppSpec for Amazon ECS or AWS Lambda", quote(e.name))
		default:
			p.warn(e.key, "the key %s is not known and was ignored", quote(e.name))
		}
		if err != nil {
			return err
		}
	}
	if !version {
		return p.problem(root, `add "version: 0.0" as the first line`, "the invalid version value (none) was given")
	}
	if !system {
		return p.problem(root, fmt.Sprintf(`add "os: %s"`, p.host), "the unsupported operating system (none) was given")
	}
	return nil
}

func (p *parser) version(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && (n.Tag == "!!float" || n.Tag == "!!int") {
		var v float64
		if err := n.Decode(&v); err == nil && v == 0 {
			return nil
		}
	}
	return p.problem(n, `write "version: 0.0", without quotes`, "the version is %s, which is not supported", kindOf(n))
}

func (p *parser) system(n *yaml.Node) error {
	value, err := p.text(n, "os")
	if err != nil {
		return err
	}
	switch OS(value) {
	case Linux, Windows:
	default:
		return p.problem(n, `write "linux" or "windows"`, "the operating system %s is not supported", quote(value))
	}
	if OS(value) != p.host {
		return p.problem(n, "deploy it to hosts of that system, or change os", "the AppSpec is for %s, but this host runs %s", value, p.host)
	}
	p.spec.OS = OS(value)
	return nil
}

func (p *parser) files(n *yaml.Node) error {
	items, err := p.sequence(n, "files")
	if err != nil {
		return err
	}
	for _, item := range items {
		pairs, err := p.mapping(item, "an entry of files")
		if err != nil {
			return err
		}
		f := File{Line: item.Line}
		for _, e := range pairs {
			switch e.name {
			case "source":
				f.Source, err = p.inBundle(e.value, "source")
			case "destination":
				f.Destination, err = p.text(e.value, "destination")
			default:
				p.warn(e.key, "the key %s of a files entry is not known and was ignored", quote(e.name))
			}
			if err != nil {
				return err
			}
		}
		if f.Source == "" {
			return p.problem(item, `add "source: <path in the bundle>"`, "a files entry has no source")
		}
		if f.Destination == "" {
			return p.problem(item, `add "destination: <directory on the host>"`, "the files entry for %s has no destination", quote(f.Source))
		}
		p.spec.Files = append(p.spec.Files, f)
	}
	return nil
}

// inBundle reads a path that must stay inside the bundle. A leading slash means the bundle's root. Empty stays empty.
func (p *parser) inBundle(n *yaml.Node, what string) (string, error) {
	value, err := p.text(n, what)
	if err != nil || value == "" {
		return "", err
	}
	slashed := value
	if p.host == Windows {
		slashed = strings.ReplaceAll(value, `\`, "/")
	}
	clean := path.Clean(strings.TrimLeft(slashed, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") || (p.host == Windows && strings.Contains(clean, ":")) {
		return "", p.problem(n, "name a path below the bundle's root", "the %s %s leaves the bundle", what, quote(value))
	}
	return clean, nil
}

func (p *parser) fileExistsBehavior(n *yaml.Node) error {
	value, err := p.text(n, "file_exists_behavior")
	if err != nil {
		return err
	}
	switch value {
	case "DISALLOW", "OVERWRITE", "RETAIN":
		p.spec.FileExistsBehavior = value
		return nil
	default:
		return p.problem(n, "write DISALLOW, OVERWRITE or RETAIN", "file_exists_behavior is %s", kindOf(n))
	}
}

func (p *parser) hooks(n *yaml.Node) error {
	if isNull(n) {
		return nil
	}
	pairs, err := p.mapping(n, "hooks")
	if err != nil {
		return err
	}
	known := LifecycleEvents()
	for _, e := range pairs {
		if !slices.Contains(known, e.name) {
			p.warn(e.key, "%s is not a lifecycle event with hooks; its scripts run only if the deployment asks for it", quote(e.name))
		}
		items, err := p.sequence(e.value, "the hook "+quote(e.name))
		if err != nil {
			return err
		}
		for _, item := range items {
			script, err := p.script(e.name, item)
			if err != nil {
				return err
			}
			p.spec.Hooks[e.name] = append(p.spec.Hooks[e.name], script)
		}
	}
	return nil
}

func (p *parser) script(event string, item *yaml.Node) (Script, error) {
	pairs, err := p.mapping(item, "an entry of the hook "+quote(event))
	if err != nil {
		return Script{}, err
	}
	s := Script{Timeout: DefaultTimeout, Line: item.Line}
	for _, e := range pairs {
		switch e.name {
		case "location":
			s.Location, err = p.inBundle(e.value, "location")
		case "timeout":
			s.Timeout, err = p.timeout(e.value)
		case "runas":
			s.RunAs, err = p.text(e.value, "runas")
		case "sudo":
			s.Sudo, err = p.flag(e.value, "sudo")
		default:
			p.warn(e.key, "the key %s of a script of %s is not known and was ignored", quote(e.name), event)
		}
		if err != nil {
			return Script{}, err
		}
	}
	if s.Location == "" || s.Location == "." {
		return Script{}, p.problem(item, `add "location: <script in the bundle>"`, "a script of the hook %s has no location", quote(event))
	}
	return s, nil
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
