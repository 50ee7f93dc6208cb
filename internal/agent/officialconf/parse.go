package officialconf

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads the file.
func Load(path string) (Conf, error) {
	f, err := os.Open(path)
	if err != nil {
		return Conf{}, fmt.Errorf("read the official agent's configuration: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Conf{}, fmt.Errorf("read the official agent's configuration: %w", err)
	}
	c, err := Parse(content)
	if err != nil {
		return Conf{}, fmt.Errorf("configuration %s of the official agent: %w", path, err)
	}
	return c, nil
}

// Parse reads the content of the file. Keys without a value say nothing, as the shipped file has some.
func Parse(content []byte) (Conf, error) {
	if len(content) > maxFile {
		return Conf{}, fmt.Errorf("it is larger than the %d bytes allowed", maxFile)
	}
	values, err := decode(content)
	if err != nil {
		return Conf{}, err
	}
	var c Conf
	for _, k := range keys() {
		value, there := values[k.name]
		delete(values, k.name)
		switch {
		case !there:
		case k.take != nil:
			if err := k.take(&c, value); err != nil {
				return Conf{}, fmt.Errorf("line %d: %s %w", value.Line, k.name, err)
			}
		case k.note != "" && value.Value != "false":
			c.Notes = append(c.Notes, fmt.Sprintf("%s has no effect: %s", k.name, k.note))
		default:
			c.Idle = append(c.Idle, k.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		c.Notes = append(c.Notes, fmt.Sprintf("%q in line %d has no effect: neither agent has such a key, check how it is spelled", shorten(name), values[name].Line))
	}
	return c, nil
}

// decode finds the keys that have a value, by their names without the colon.
func decode(content []byte) (found map[string]*yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil { // the parser's, on damaged input
			err = fmt.Errorf("it is malformed: %v", p)
		}
	}()
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	if document.Kind == 0 {
		return nil, nil
	}
	top := document.Content[0]
	if top.Tag == "!!null" {
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, errors.New("it is no list of \":key: value\" lines")
	}
	found = map[string]*yaml.Node{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, value := top.Content[i], top.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if value.Tag == "!!null" {
			continue
		}
		plain := strings.TrimPrefix(name.Value, ":")
		if _, twice := found[plain]; twice {
			return nil, fmt.Errorf("line %d: %q is there twice: keep one", name.Line, shorten(plain))
		}
		found[plain] = value
	}
	return found, nil
}
