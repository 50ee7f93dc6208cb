// Package recording reads, for tests, what unmodified agents of others and a server were once heard to say to each other.
//
// A recording is a file of JSON: the form that all requests of the agent have, and for each deployment the exchanges in the order in which they
// began. Identifiers are replaced by speaking ones; signatures and access keys are left out; the signed specification is kept as what it says.
// The package owns the form of these files and how two JSON documents are compared without their values. It starts nothing and sends nothing.
package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Recording is what one agent said.
type Recording struct {
	Agent       string       `json:"agent"` // and its version
	Control     Form         `json:"control"`
	Objects     Form         `json:"objects"` // of downloads
	Deployments []Deployment `json:"deployments"`
}

// Form is what all requests of one kind have in common.
type Form struct {
	TargetPrefix  string            `json:"targetPrefix"`  // of X-Amz-Target; empty: the requests have none
	Scope         string            `json:"scope"`         // region/service of the signature
	SignedHeaders []string          `json:"signedHeaders"` // in lower case, in order
	Headers       map[string]string `json:"headers"`
	Proto         string            `json:"proto"`         // HTTP/1.1 or HTTP/2.0
	ContentSHA256 bool              `json:"contentSha256"` // the hash of the body is sent along
	Style         string            `json:"style"`         // of downloads: path or virtualHost
}

// Service is the service in the scope of the signature.
func (f Form) Service() string { return f.Scope[strings.LastIndexByte(f.Scope, '/')+1:] }

// Deployment is all that was said about one deployment.
type Deployment struct {
	Specification json.RawMessage `json:"specification"`
	Exchanges     []Exchange      `json:"exchanges"`
}

// Exchange is a request and its answer.
type Exchange struct {
	Operation     string          `json:"operation"`
	Path          string          `json:"path"` // of a download, with its query
	Request       json.RawMessage `json:"request"`
	Status        int             `json:"status"`
	Answer        json.RawMessage `json:"answer"`        // empty: the answer had no body
	AnswerHeaders []string        `json:"answerHeaders"` // of a download, their names
}

// Command is what was said about one command, without the poll that it came with.
type Command struct {
	Event     string
	ID        string
	Execution string
	Poll      Exchange
	Exchanges []Exchange // in the order in which they began
}

// Load reads the recordings of a directory, by the names of their files without the ending.
func Load(t testing.TB, dir string) map[string]Recording {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings in %s: %v", dir, err)
	}
	all := map[string]Recording{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(content))
		d.DisallowUnknownFields()
		var r Recording
		if err := d.Decode(&r); err != nil {
			t.Fatalf("read recording %s: %v", path, err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".json")] = r
	}
	return all
}

// Commands orders the exchanges of a deployment by the commands that they are about. An agent polls on while it works, so the exchanges of two
// commands overlap.
func (d Deployment) Commands() ([]Command, error) {
	var all []Command
	specified := 0
	for _, e := range d.Exchanges {
		switch e.Operation {
		case "PollHostCommand":
			var answer struct {
				HostCommand struct{ HostCommandIdentifier, CommandName, DeploymentExecutionId string }
			}
			if err := json.Unmarshal(e.Answer, &answer); err != nil {
				return nil, fmt.Errorf("read the answer to a poll: %w", err)
			}
			c := answer.HostCommand
			all = append(all, Command{Event: c.CommandName, ID: c.HostCommandIdentifier, Execution: c.DeploymentExecutionId, Poll: e})
		case "GetDeploymentSpecification":
			// They don't name their command, but commands of one deployment are handed out one after the other.
			if specified >= len(all) {
				return nil, errors.New("a specification was asked for before its command was handed out")
			}
			all[specified].Exchanges = append(all[specified].Exchanges, e)
			specified++
		case "GetObject":
			i := slices.IndexFunc(all, func(c Command) bool { return c.Event == "DownloadBundle" })
			if i < 0 {
				return nil, errors.New("a bundle was downloaded before the event for it")
			}
			all[i].Exchanges = append(all[i].Exchanges, e)
		default:
			var request struct{ HostCommandIdentifier string }
			if err := json.Unmarshal(e.Request, &request); err != nil {
				return nil, fmt.Errorf("read a request %s: %w", e.Operation, err)
			}
			i := slices.IndexFunc(all, func(c Command) bool { return c.ID == request.HostCommandIdentifier })
			if i < 0 {
				return nil, fmt.Errorf("%s is about %q, which was not handed out", e.Operation, request.HostCommandIdentifier)
			}
			all[i].Exchanges = append(all[i].Exchanges, e)
		}
	}
	return all, nil
}

// Shape is the members of a JSON document with their types, a line each, sorted; a payload that is itself JSON is looked into. A whole number and
// one with a fraction are different types here, because agents read them differently.
func Shape(document []byte) (string, error) {
	lines := map[string]bool{}
	if err := shape(document, "", lines); err != nil {
		return "", err
	}
	return strings.Join(slices.Sorted(maps.Keys(lines)), "\n"), nil
}

func shape(document []byte, path string, lines map[string]bool) error {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("read JSON at %q: %w", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than one JSON document at %q", path)
	}
	describe(v, path, lines)
	return nil
}

func describe(v any, path string, lines map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		lines[path+" object"] = true
		for name, member := range v {
			describe(member, path+"."+name, lines)
		}
	case []any:
		lines[path+" list"] = true
		for _, element := range v {
			describe(element, path+"[]", lines)
		}
	case string:
		if strings.HasSuffix(path, ".Payload") && shape([]byte(v), path, lines) == nil {
			return
		}
		lines[path+" string"] = true
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			lines[path+" fraction"] = true
			return
		}
		lines[path+" whole number"] = true
	default:
		lines[fmt.Sprintf("%s %T", path, v)] = true
	}
}
