package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	yamlv3 "go.yaml.in/yaml/v3"
)

// problem is a value that is of the right kind and still can't be.
type problem struct {
	key  string
	text string
}

// at says where the value came from: the last layer that has the key.
func (p *problem) at(layers []layer) error {
	root, _, _ := strings.Cut(p.key, "[")
	for i := len(layers) - 1; i >= 0; i-- {
		if layers[i].values.Exists(root) {
			return fmt.Errorf("%s: %s %s", layers[i].where(p.key), p.key, p.text)
		}
	}
	return fmt.Errorf("configuration: %s %s", p.key, p.text)
}

func advice(near, otherwise string) string {
	if near != "" {
		return "; did you mean " + near + "?"
	}
	return "; " + otherwise
}

// indexes is the part of a key that says which element of a list it is in.
var indexes = regexp.MustCompile(`\[\d+\]`)

// nearestKey is the key of the same place that an unknown one was most likely meant to be.
func nearestKey(unknown string) string {
	var all []string
	collect(reflect.TypeFor[Config](), "", &all)
	return nearest(indexes.ReplaceAllString(unknown, ""), all)
}

// collect names every key, those inside of lists too, without indexes.
func collect(t reflect.Type, path string, all *[]string) {
	for f := range t.Fields() {
		name := path + f.Tag.Get("koanf")
		*all = append(*all, name)
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			collect(inner, name+".", all)
		}
	}
}

// decodeDuration takes durations with a unit only: a bare number would be nanoseconds to the decoder and seconds to a reader.
func decodeDuration(_, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	if d, ok := value.(time.Duration); ok {
		return d, nil
	}
	text, ok := value.(string)
	if !ok {
		return nil, fmt.Errorf("%v has no unit: write a duration such as 30s, 500ms or 2m", value)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no duration: write one such as 30s, 500ms or 2m", text)
	}
	return d, nil
}

// explain puts where and what into the decoder's errors.
func (l layer) explain(err error) error {
	if err == nil {
		return nil
	}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		var all []error
		for _, e := range several.Unwrap() {
			all = append(all, l.explain(e))
		}
		return errors.Join(all...)
	}
	var at *mapstructure.DecodeError
	if !errors.As(err, &at) {
		return err
	}
	if inner := at.Unwrap(); inner != nil {
		var deeper *mapstructure.DecodeError
		if errors.As(inner, &deeper) {
			return l.explain(inner)
		}
	}
	return fmt.Errorf("%s: %s: %w", l.where(at.Name()), at.Name(), kinds(at.Unwrap()))
}

// kinds says in a user's words that a value is of the wrong kind.
func kinds(err error) error {
	var wrong *mapstructure.UnconvertibleTypeError
	if errors.As(err, &wrong) {
		hint := ""
		if wrong.Expected.Kind() == reflect.String {
			hint = "; put it in quotes"
		}
		return fmt.Errorf("%v is %s where %s belongs%s", wrong.Value, kind(reflect.TypeOf(wrong.Value)), kind(wrong.Expected.Type()), hint)
	}
	var unreadable *mapstructure.ParseError
	if errors.As(err, &unreadable) {
		return fmt.Errorf("%q is not %s", unreadable.Value, kind(unreadable.Expected.Type()))
	}
	return err
}

func kind(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a set of keys"
	default:
		return t.String()
	}
}

// lineOf finds the line of a key such as loadBalancer.targetGroups[0].port; 0 when it isn't there.
func lineOf(tree *yamlv3.Node, key string) int {
	n := tree
	if n.Kind == yamlv3.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line := 0
	for _, step := range strings.Split(strings.ReplaceAll(key, "[", ".["), ".") {
		next, at := child(n, step)
		if next == nil {
			return line
		}
		n, line = next, at
	}
	return line
}

func child(n *yamlv3.Node, step string) (value *yamlv3.Node, line int) {
	if strings.HasPrefix(step, "[") {
		i, err := strconv.Atoi(strings.Trim(step, "[]"))
		if err != nil || n.Kind != yamlv3.SequenceNode || i >= len(n.Content) {
			return nil, 0
		}
		return n.Content[i], n.Content[i].Line
	}
	if n.Kind != yamlv3.MappingNode {
		return nil, 0
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == step {
			return n.Content[i+1], n.Content[i].Line
		}
	}
	return nil, 0
}
