package appspec

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Platform is the compute platform that an AppSpec deploys to.
type Platform string

// The compute platforms, in CodeDeploy's words.
const (
	Server Platform = "Server"
	Lambda Platform = "Lambda"
	ECS    Platform = "ECS"
)

// Report is what [Validate] finds.
type Report struct {
	Platform Platform
	Spec     *Spec      // Server: what could be read, even if there are problems; nil for the other platforms
	Problems []*Problem // in the order of the lines; none: the AppSpec is valid
	Warnings []*Problem // what was ignored, or may not do what its author expects, here or with the official agent
}

// Validate reads an AppSpec, YAML or JSON, and finds all that is wrong with it, up to a hundred problems. The name is the file's, for messages.
// Without a platform it is guessed from the content. Without a host, which counts for the Server platform only, the AppSpec may be for any
// operating system.
func Validate(name string, content []byte, platform Platform, host OS) Report {
	if platform == "" {
		platform = Guess(content)
	}
	d := &document{file: name}
	r := Report{Platform: platform}
	if platform == Server {
		r.Spec = d.server(content, host)
	} else {
		d.resources(content, platform)
	}
	r.Problems, r.Warnings = d.problems, append(d.warnings, d.advice...)
	byPlace := func(a, b *Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	}
	slices.SortStableFunc(r.Problems, byPlace)
	slices.SortStableFunc(r.Warnings, byPlace)
	return r
}

// Guess tells by its top keys what platform an AppSpec is for; [Server] when they don't say.
func Guess(content []byte) Platform {
	d := &document{}
	root, err := d.load(content)
	if err != nil || root.Kind != yaml.MappingNode {
		return Server
	}
	resources := false
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i].Value
		switch {
		case key == "os" || key == "files" || key == "hooks" || key == "permissions":
			return Server
		case strings.EqualFold(key, "Resources"), key == "Hooks":
			resources = true
		}
	}
	switch {
	case !resources:
		return Server
	case bytes.Contains(content, []byte("AWS::Lambda::")), !bytes.Contains(content, []byte("AWS::ECS::")) && bytes.Contains(content, []byte("Alias")):
		return Lambda
	default:
		return ECS
	}
}

// adviseJSON warns of a file that is meant to be JSON, and that only YAML's wider rules can read.
func (d *document) adviseJSON(content []byte) {
	trimmed := bytes.TrimLeft(content, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return
	}
	var whole json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(content, &whole); errors.As(err, &syntax) {
		before := content[:min(max(int(syntax.Offset)-1, 0), len(content))]
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n')
		d.advice = note(d.advice, &Problem{
			File: d.file, Line: line, Column: column, What: "the file is no JSON, though YAML can read it: " + syntax.Error(),
			Hint: "mend it, or write it as YAML",
		})
	}
}
