package appspec

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads an AppSpec for a host of the given operating system. The name is the file's, for messages. A refusal is a *[Problem].
func Parse(name string, content []byte, host OS) (*Spec, error) {
	d := &document{file: name}
	s := d.server(content, host)
	if len(d.problems) > 0 {
		return nil, d.problems[0]
	}
	return s, nil
}

// server reads an AppSpec of the Server platform as far as it can be read, and reports what is wrong with it. Without a host the AppSpec's
// own operating system counts.
func (d *document) server(content []byte, host OS) *Spec {
	s := &Spec{Name: d.file, Hooks: map[string][]Script{}}
	root, err := d.load(content)
	if err != nil {
		d.report(err)
		return s
	}
	pairs, err := d.mapping(root, "the AppSpec")
	if err != nil {
		d.report(err)
		return s
	}
	p := parser{document: d, spec: s, host: host}
	p.top(root, pairs)
	p.adviseWhole()
	for _, w := range d.warnings {
		s.Warnings = append(s.Warnings, w.brief())
	}
	return s
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

func topKeys() []string {
	return []string{"version", "os", "files", "file_exists_behavior", "permissions", "hooks"}
}

func (p *parser) top(root *yaml.Node, pairs []pair) {
	if p.host == "" {
		p.host = own(pairs)
	}
	var version, system bool
	for _, e := range pairs {
		switch e.name {
		case "version":
			version = true
			p.version(e.value)
		case "os":
			system = true
			p.system(e.value)
		case "files":
			p.files(e.value)
		case "file_exists_behavior":
			p.fileExistsBehavior(e.value)
		case "permissions":
			p.permissions(e)
		case "hooks":
			p.hooks(e.value)
		case "Resources", "Hooks":
			p.report(p.problem(e.key, "give this deployment a bundle with an AppSpec for servers: version, os, files, hooks",
				"%s belongs to an AppSpec for Amazon ECS or AWS Lambda", quote(e.name)))
		default:
			p.unknown(e.key, topKeys(), "the key %s", quote(e.name))
		}
	}
	if !version {
		p.report(p.problem(root, `add "version: 0.0" as the first line`, "the invalid version value (none) was given"))
	}
	if !system {
		p.report(p.problem(root, fmt.Sprintf(`add "os: %s"`, p.host), "the unsupported operating system (none) was given"))
	}
}

// own is the operating system that the AppSpec says it is for.
func own(pairs []pair) OS {
	for _, e := range pairs {
		if e.name == "os" && OS(e.value.Value) == Windows {
			return Windows
		}
	}
	return Linux
}

func (d *document) version(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && (n.Tag == "!!float" || n.Tag == "!!int") {
		var v float64
		if err := n.Decode(&v); err == nil && v == 0 {
			return
		}
	}
	d.report(d.problem(n, `write "version: 0.0", without quotes`, "the version is %s, which is not supported", kindOf(n)))
}

func (p *parser) system(n *yaml.Node) {
	value, err := p.text(n, "os")
	if err != nil {
		p.report(err)
		return
	}
	switch {
	case OS(value) != Linux && OS(value) != Windows:
		p.report(p.problem(n, `write "linux" or "windows"`, "the operating system %s is not supported", quote(value)))
	case OS(value) != p.host:
		p.report(p.problem(n, "deploy it to hosts of that system, or change os", "the AppSpec is for %s, but this host runs %s", value, p.host))
	default:
		p.spec.OS = OS(value)
	}
}

func (p *parser) files(n *yaml.Node) {
	items, err := p.sequence(n, "files")
	if err != nil {
		p.report(err)
	}
	for _, item := range items {
		if f, ok := p.entry(item); ok {
			p.spec.Files = append(p.spec.Files, f)
		}
	}
}

// entry reads an entry of files; false: it is reported to be wrong.
func (p *parser) entry(item *yaml.Node) (File, bool) {
	pairs, err := p.mapping(item, "an entry of files")
	if err != nil {
		p.report(err)
		return File{}, false
	}
	f, good := File{Line: item.Line}, true
	var destination *yaml.Node
	for _, e := range pairs {
		switch e.name {
		case "source":
			f.Source, err = p.inBundle(e.value, "source")
		case "destination":
			destination = e.value
			f.Destination, err = p.text(e.value, "destination")
		default:
			p.unknown(e.key, []string{"source", "destination"}, "the key %s of a files entry", quote(e.name))
		}
		if err != nil {
			p.report(err)
			good, err = false, nil
		}
	}
	switch {
	case !good:
	case f.Source == "":
		err = p.problem(item, `add "source: <path in the bundle>"`, "a files entry has no source")
	case f.Destination == "":
		err = p.problem(item, `add "destination: <directory on the host>"`, "the files entry for %s has no destination", quote(f.Source))
	case !isAbsolute(f.Destination, p.host):
		err = p.problem(destination, "write an absolute path", "the destination %s is not absolute", quote(f.Destination))
	}
	if err != nil {
		p.report(err)
		good = false
	}
	return f, good
}

// rooted begins a path of Windows that leads to the same place from everywhere.
var rooted = regexp.MustCompile(`^([A-Za-z]:[\\/]|[\\/]{2})`)

func isAbsolute(path string, host OS) bool {
	if host == Windows {
		return rooted.MatchString(path)
	}
	return strings.HasPrefix(path, "/")
}

// inBundle reads a path that must stay inside the bundle. A leading slash means the bundle's root. Empty stays empty.
func (p *parser) inBundle(n *yaml.Node, what string) (string, error) {
	value, err := p.text(n, what)
	if value = strings.TrimSpace(value); err != nil || value == "" {
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

func (p *parser) fileExistsBehavior(n *yaml.Node) {
	value, err := p.text(n, "file_exists_behavior")
	if err != nil {
		p.report(err)
		return
	}
	switch value {
	case "", "DISALLOW", "OVERWRITE", "RETAIN":
		p.spec.FileExistsBehavior = value
	default:
		p.report(p.problem(n, "write DISALLOW, OVERWRITE or RETAIN", "file_exists_behavior is %s", kindOf(n)))
	}
}
