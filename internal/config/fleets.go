package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Fleet is an Auto Scaling group that the server keeps by itself (kind local), or those of an AWS account (kind aws). Commands are a program,
// by its absolute path or a name to be found, with its arguments; no shell reads them.
type Fleet struct {
	Kind string `koanf:"kind"` // local, and empty; or aws

	// Of the kind local:

	Name string `koanf:"name"` // of the group
	// Size is how many instances the group has at first. Once the server runs, crossfade fleet scale sets it, until it is changed here.
	Size  int      `koanf:"size"`
	Start []string `koanf:"start"`
	Stop  []string `koanf:"stop"`
	// Address prints IP or IP:port of the instance. Empty: where its agent's polls come from.
	Address []string `koanf:"address"`
	// Health ends with 0 once the instance is ready for deployments. Empty: once its agent has polled.
	Health []string `koanf:"health"`
	// Check ends with 0 while the instance lives. Empty: it is not looked at.
	Check          []string          `koanf:"check"`
	Environment    map[string]string `koanf:"environment"` // of the commands
	Tags           map[string]string `koanf:"tags"`        // of the instances
	Zones          []string          `koanf:"zones"`       // over which the instances are spread
	CommandTimeout time.Duration     `koanf:"commandTimeout"`
	StartTimeout   time.Duration     `koanf:"startTimeout"` // from the start to being ready
	CheckInterval  time.Duration     `koanf:"checkInterval"`

	// Of the kind aws:

	Region   string `koanf:"region"`   // empty: the server's
	Endpoint string `koanf:"endpoint"` // of Auto Scaling and EC2; empty: AWS's own of the region
	// AccessKeyID and SecretAccessKey sign the requests. Both empty: what the AWS SDK finds by itself.
	AccessKeyID     string `koanf:"accessKeyId"`
	SecretAccessKey string `koanf:"secretAccessKey"`
}

// The kinds of fleets.
const (
	FleetLocal = "local"
	FleetAWS   = "aws"
)

const (
	maxFleetName = 100
	maxFleetSize = 1000
	maxFleetTags = 8 // an instance has ten, and two are the fleet's own
)

var (
	fleetNameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	variableForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// checkFleets finds the first value that can't be.
func checkFleets(fleets []Fleet) *problem {
	taken := map[string]string{}
	for i, f := range fleets {
		key := fmt.Sprintf("fleets[%d]", i)
		var p *problem
		var name string
		switch f.Kind {
		case "", FleetLocal:
			p, name = f.checkLocal(key), "the group "+f.Name
		case FleetAWS:
			p, name = f.checkAWS(key), "AWS in the region "+f.Region
		default:
			return &problem{key + ".kind", fmt.Sprintf("%q is not local or aws", f.Kind)}
		}
		if p != nil {
			return p
		}
		if first, ok := taken[name]; ok {
			return &problem{key, fmt.Sprintf("is %s, which %s is already", name, first)}
		}
		taken[name] = key
	}
	return nil
}

func (f Fleet) checkLocal(key string) *problem {
	switch {
	case f.Name == "":
		return &problem{key, "has no name: give the one by which deployment groups know the Auto Scaling group"}
	case len(f.Name) > maxFleetName || !fleetNameForm.MatchString(f.Name):
		return &problem{key + ".name", fmt.Sprintf("%q is no name: use up to %d letters, digits, dots, hyphens and underscores, a letter or digit first", f.Name, maxFleetName)}
	case strings.HasPrefix(f.Name, "CodeDeploy_"):
		return &problem{key + ".name", fmt.Sprintf("%q begins like the copies that deployments make: take another name", f.Name)}
	case f.Size < 0 || f.Size > maxFleetSize:
		return &problem{key + ".size", fmt.Sprintf("%d is not between 0 and %d", f.Size, maxFleetSize)}
	case f.Region != "" || f.Endpoint != "" || f.AccessKeyID != "" || f.SecretAccessKey != "":
		return &problem{key, "has keys of the kind aws: add kind: aws, or remove region, endpoint, accessKeyId and secretAccessKey"}
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"commandTimeout", f.CommandTimeout}, {"startTimeout", f.StartTimeout}, {"checkInterval", f.CheckInterval}} {
		if d.value < 0 {
			return &problem{key + "." + d.key, fmt.Sprintf("%s is negative: write a duration such as 30s", d.value)}
		}
	}
	if p := f.checkCommands(key); p != nil {
		return p
	}
	return f.checkTags(key)
}

func (f Fleet) checkCommands(key string) *problem {
	for _, c := range []struct {
		key      string
		argv     []string
		required bool
	}{{"start", f.Start, true}, {"stop", f.Stop, true}, {"address", f.Address, false}, {"health", f.Health, false}, {"check", f.Check, false}} {
		switch {
		case len(c.argv) == 0 && c.required:
			return &problem{key, "has no " + c.key + " command: give a program with its arguments, as in [/etc/crossfade/" + c.key + "]"}
		case len(c.argv) == 0:
		case c.argv[0] == "":
			return &problem{key + "." + c.key, "names no program"}
		case strings.ContainsRune(c.argv[0], filepath.Separator) && !filepath.IsAbs(c.argv[0]):
			return &problem{key + "." + c.key, fmt.Sprintf("%q is relative to no directory: write its absolute path", c.argv[0])}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Environment)) {
		switch {
		case !variableForm.MatchString(name):
			return &problem{key + ".environment", fmt.Sprintf("%q is no name of a variable", name)}
		case strings.HasPrefix(name, prefix):
			return &problem{key + ".environment", fmt.Sprintf("%s can't be set: what begins with %s is the server's to say", name, prefix)}
		}
	}
	return nil
}

func (f Fleet) checkTags(key string) *problem {
	if len(f.Tags) > maxFleetTags {
		return &problem{key + ".tags", fmt.Sprintf("has %d tags, and at most %d are allowed", len(f.Tags), maxFleetTags)}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
		switch {
		case name == "" || utf8.RuneCountInString(name) > 128 || utf8.RuneCountInString(f.Tags[name]) > 256:
			return &problem{key + ".tags", fmt.Sprintf("%q is no tag: a key has 1 to 128 characters, a value at most 256", name)}
		case name == "crossfade:fleet" || name == "crossfade:zone":
			return &problem{key + ".tags", fmt.Sprintf("%s is set by the server: for zones write zones", name)}
		}
	}
	if i := slices.Index(f.Zones, ""); i >= 0 {
		return &problem{fmt.Sprintf("%s.zones[%d]", key, i), "is empty: name the zone, or remove it"}
	}
	return nil
}

func (f Fleet) checkAWS(key string) *problem {
	switch {
	case f.local():
		return &problem{key, "has keys of the kind local: AWS keeps its groups by itself, so give region, endpoint, accessKeyId and secretAccessKey only"}
	case f.Region != "" && !regionForm.MatchString(f.Region):
		return &problem{key + ".region", fmt.Sprintf("%q is no region", f.Region)}
	case (f.AccessKeyID == "") != (f.SecretAccessKey == ""):
		return &problem{key, "has one of accessKeyId and secretAccessKey: give both or neither"}
	}
	return checkURL(key+".endpoint", f.Endpoint)
}

// local reports whether any of the keys of the kind local is given.
func (f Fleet) local() bool {
	return f.Name != "" || f.Size != 0 || f.Environment != nil || f.Tags != nil || f.Zones != nil ||
		f.Start != nil || f.Stop != nil || f.Address != nil || f.Health != nil || f.Check != nil ||
		f.CommandTimeout != 0 || f.StartTimeout != 0 || f.CheckInterval != 0
}
