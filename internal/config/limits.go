package config

import "fmt"

// Limits are how many calls may come in.
type Limits struct {
	PerKey     Rate `koanf:"perKey"`     // signed with one access key
	PerAddress Rate `koanf:"perAddress"` // from one address
	Failures   Rate `koanf:"failures"`   // whose signatures don't hold, from one address
}

// Rate is a number of calls.
type Rate struct {
	Rate  float64 `koanf:"rate"`  // per second in the long run; 0: any number
	Burst int     `koanf:"burst"` // at once, after a rest
}

// defaultLimits keep out floods and nothing else. An access key is one host's or one operator's tools', and the busiest of them make some hundred calls a
// second. A whole fleet may stand behind one address: ten thousand hosts that are deployed to at once make twenty thousand.
func defaultLimits() Limits {
	return Limits{PerKey: Rate{2000, 10_000}, PerAddress: Rate{30_000, 100_000}, Failures: Rate{10, 100}}
}

func (l Limits) check() *problem {
	for _, r := range []struct {
		key string
		Rate
	}{{"limits.perKey", l.PerKey}, {"limits.perAddress", l.PerAddress}, {"limits.failures", l.Failures}} {
		switch {
		case r.Rate.Rate < 0 || r.Rate.Rate != r.Rate.Rate:
			return &problem{r.key + ".rate", fmt.Sprintf("%g is no number of calls: write calls per second, or 0 for any number", r.Rate.Rate)}
		case r.Rate.Rate > 0 && r.Burst < 1:
			return &problem{r.key + ".burst", fmt.Sprintf("%d lets no call through: write how many may come at once, at least 1", r.Burst)}
		}
	}
	return nil
}

// Audit is the audit log.
type Audit struct {
	File         string `koanf:"file"`         // empty: audit.log in the data directory
	MaxMegabytes int    `koanf:"maxMegabytes"` // of a file before the next one begins; 0: any size
	Keep         int    `koanf:"keep"`         // files beside the current one; 0: all
}

func (a Audit) check() *problem {
	switch {
	case a.MaxMegabytes < 0:
		return &problem{"audit.maxMegabytes", fmt.Sprintf("%d is no size: write a number of megabytes, or 0 for any size", a.MaxMegabytes)}
	case a.Keep < 0:
		return &problem{"audit.keep", fmt.Sprintf("%d is no number of files: write one, or 0 to keep all", a.Keep)}
	}
	return nil
}
