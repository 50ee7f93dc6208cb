package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
	yamlv3 "go.yaml.in/yaml/v3"
)

// Sources is what a configuration is made of.
type Sources struct {
	File    string         // empty: no file
	Environ []string       // as os.Environ gives it
	Flags   *pflag.FlagSet // parsed; those that have a key in FlagKeys count when they were given
	// FlagKeys says which flag sets which key.
	FlagKeys map[string]string
}

// layer is one source of keys.
type layer struct {
	name   string // for messages
	strict bool   // values have the types that they are meant to have; else they are text
	values *koanf.Koanf
	where  func(key string) string // where the source says the key
}

// Load makes the configuration of the sources and checks it.
func Load(s Sources) (Config, error) {
	var layers []layer
	if s.File != "" {
		l, err := fileLayer(s.File)
		if err != nil {
			return Config{}, err
		}
		layers = append(layers, l)
	}
	l, err := environmentLayer(s.Environ)
	if err != nil {
		return Config{}, err
	}
	layers = append(layers, l)
	if s.Flags != nil {
		if l, err = flagLayer(s.Flags, s.FlagKeys); err != nil {
			return Config{}, err
		}
		layers = append(layers, l)
	}
	c := Default()
	for _, l := range layers {
		if err := l.decode(&c); err != nil {
			return Config{}, err
		}
	}
	if p := c.check(); p != nil {
		return Config{}, p.at(layers)
	}
	return c, nil
}

func fileLayer(path string) (layer, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return layer{}, fmt.Errorf("read configuration: %w", err)
	}
	return parseFile(path, content)
}

func parseFile(path string, content []byte) (layer, error) {
	var tree yamlv3.Node
	if err := yamlv3.Unmarshal(content, &tree); err != nil {
		return layer{}, fmt.Errorf("%s is not YAML: %w", path, err)
	}
	k := koanf.New(".")
	if err := k.Load(rawBytes(content), yaml.Parser()); err != nil {
		return layer{}, fmt.Errorf("%s is not a YAML file of keys and values: %w", path, err)
	}
	return layer{name: path, strict: true, values: k, where: func(key string) string {
		if line := lineOf(&tree, key); line > 0 {
			return fmt.Sprintf("%s:%d", path, line)
		}
		return path
	}}, nil
}

// rawBytes gives koanf a file that was read already.
type rawBytes []byte

func (b rawBytes) ReadBytes() ([]byte, error)    { return b, nil }
func (b rawBytes) Read() (map[string]any, error) { return nil, errors.New("has bytes only") }

func environmentLayer(environ []string) (layer, error) {
	byVariable := map[string]Key{}
	var names []string
	for _, key := range Keys() {
		byVariable[key.Variable] = key
		names = append(names, key.Variable)
	}
	var problem error
	k := koanf.New(".")
	p := env.Provider(".", env.Opt{
		Prefix:      prefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key, ok := byVariable[name]
			switch {
			case otherVariables[name]:
				return "", nil
			case !ok:
				problem = errors.Join(problem, fmt.Errorf("environment variable %s is not known%s", name, advice(nearest(name, names), "unset it")))
				return "", nil
			case !key.List:
				return key.Name, value
			}
			var list []any
			if err := yamlv3.Unmarshal([]byte(value), &list); err != nil {
				problem = errors.Join(problem, fmt.Errorf("environment variable %s is not a YAML list, such as [a, b]: %w", name, err))
			}
			return key.Name, list
		},
	})
	if err := k.Load(p, nil); err != nil {
		return layer{}, fmt.Errorf("read environment variables: %w", err)
	}
	return layer{name: "the environment", values: k, where: func(key string) string {
		root, _, _ := strings.Cut(key, "[")
		return "environment variable " + variable(root)
	}}, problem
}

func flagLayer(flags *pflag.FlagSet, keys map[string]string) (layer, error) {
	k := koanf.New(".")
	byKey := map[string]string{}
	p := posflag.ProviderWithFlag(flags, ".", k, func(f *pflag.Flag) (string, any) {
		key := keys[f.Name]
		if key == "" || !f.Changed {
			return "", nil
		}
		byKey[key] = f.Name
		return key, posflag.FlagVal(flags, f)
	})
	if err := k.Load(p, nil); err != nil {
		return layer{}, fmt.Errorf("read flags: %w", err)
	}
	return layer{name: "the flags", values: k, where: func(key string) string { return "flag --" + byKey[key] }}, nil
}

// decode puts the layer's values over those in c.
func (l layer) decode(c *Config) error {
	// A list in a later layer replaces an earlier one whole; the decoder would mix them, element by element.
	if l.values.Exists("loadBalancer.listeners") {
		c.LoadBalancer.Listeners = nil
	}
	if l.values.Exists("loadBalancer.targetGroups") {
		c.LoadBalancer.TargetGroups = nil
	}
	if l.values.Exists("revisions.buckets") {
		c.Revisions.Buckets = nil
	}
	if l.values.Exists("revisions.external") {
		c.Revisions.External = nil
	}
	if l.values.Exists("fleets") {
		c.Fleets = nil
	}
	c.Alarms.replace(l.values.Exists)
	c.Notifications.replace(l.values.Exists)
	c.Identity.replace(l.values.Exists)
	var seen mapstructure.Metadata
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: c, TagName: "koanf", Metadata: &seen, WeaklyTypedInput: !l.strict, DecodeHook: decodeDuration,
		MatchName: func(key, field string) bool { return key == field },
	})
	if err != nil {
		return fmt.Errorf("make a decoder: %w", err)
	}
	err = decoder.Decode(l.values.Raw())
	slices.Sort(seen.Unused)
	for _, unknown := range seen.Unused {
		err = errors.Join(err, fmt.Errorf("%s: there is no key %s%s", l.where(unknown), unknown, advice(nearestKey(unknown), "remove it")))
	}
	return l.explain(err)
}
