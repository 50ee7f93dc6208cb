package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"
)

// Alarms is where the alarms are that stop deployments. A name is looked for in the Prometheus servers, then in CloudWatch, then in the
// Alertmanagers, in each in the order given here; the first that knows it answers. One that can't be read counts only for names that no other
// knows.
type Alarms struct {
	// Interval is how often the server looks at the alarms of each deployment that has some. Zero: 10 s.
	Interval time.Duration `koanf:"interval"`
	// Timeout bounds one look at each of them. Zero: 5 s.
	Timeout      time.Duration  `koanf:"timeout"`
	Prometheus   []Prometheus   `koanf:"prometheus"`
	CloudWatch   []CloudWatch   `koanf:"cloudWatch"`
	Alertmanager []Alertmanager `koanf:"alertmanager"`
}

// Prometheus is a server that evaluates PromQL.
type Prometheus struct {
	URL string `koanf:"url"` // with the path of its prefix, if it has one
	// BearerToken, or Username and Password, open it. All empty: it is open.
	BearerToken string            `koanf:"bearerToken"`
	Username    string            `koanf:"username"`
	Password    string            `koanf:"password"`
	Alarms      []PrometheusAlarm `koanf:"alarms"`
	Rules       bool              `koanf:"rules"` // its own alerting rules are alarms too, by their names
}

// PrometheusAlarm gives an expression a name. It is in ALARM when an alerting rule with the expression would fire: an instant vector that is not
// empty. A scalar must not be 0.
type PrometheusAlarm struct {
	Name string `koanf:"name"`
	Expr string `koanf:"expr"`
}

// Alertmanager is a server that knows which alerts fire. Without alarms every name is an alarm there: the name of an alert, as HighErrors, or with
// labels, as HighErrors{service="shop"}.
type Alertmanager struct {
	URL string `koanf:"url"` // with the path of its prefix, if it has one
	// BearerToken, or Username and Password, open it. All empty: it is open.
	BearerToken string              `koanf:"bearerToken"`
	Username    string              `koanf:"username"`
	Password    string              `koanf:"password"`
	Alarms      []AlertmanagerAlarm `koanf:"alarms"` // when given, no others are there
}

// AlertmanagerAlarm gives alerts a name. It is in ALARM while one of them fires and is neither silenced nor inhibited.
type AlertmanagerAlarm struct {
	Name  string `koanf:"name"`
	Alert string `koanf:"alert"` // as HighErrors{service="shop"}; empty: the name
}

// CloudWatch is AWS's, or what answers DescribeAlarms as that does.
type CloudWatch struct {
	Endpoint string `koanf:"endpoint"` // empty: AWS's own of the region
	Region   string `koanf:"region"`   // empty: the server's
	// AccessKeyID and SecretAccessKey sign the requests. Both empty: what the AWS SDK finds by itself.
	AccessKeyID     string `koanf:"accessKeyId"`
	SecretAccessKey string `koanf:"secretAccessKey"`
}

// The bounds of [Alarms.Interval]: more often would be a burden on the sources, more rarely would let a bad revision do too much harm.
const (
	leastAlarmInterval = time.Second
	mostAlarmInterval  = 5 * time.Minute
)

// maxAlarmName is the length of the longest name of an alarm in CodeDeploy, in characters.
const maxAlarmName = 255

// replace empties the lists that a later layer has: it replaces them whole.
func (a *Alarms) replace(has func(key string) bool) {
	if has("alarms.prometheus") {
		a.Prometheus = nil
	}
	if has("alarms.cloudWatch") {
		a.CloudWatch = nil
	}
	if has("alarms.alertmanager") {
		a.Alertmanager = nil
	}
}

// check finds the first value that can't be.
func (a Alarms) check(insecure bool) *problem {
	if a.Interval != 0 && (a.Interval < leastAlarmInterval || a.Interval > mostAlarmInterval) {
		return &problem{"alarms.interval", fmt.Sprintf("%s is not between %s and %s: write how often alarms are looked at, such as 10s", a.Interval, leastAlarmInterval, mostAlarmInterval)}
	}
	if a.Timeout < 0 {
		return &problem{"alarms.timeout", fmt.Sprintf("%s is negative: write how long a look may take, such as 5s", a.Timeout)}
	}
	for i, s := range a.Prometheus {
		if p := s.check(fmt.Sprintf("alarms.prometheus[%d]", i), insecure); p != nil {
			return p
		}
	}
	for i, s := range a.CloudWatch {
		key := fmt.Sprintf("alarms.cloudWatch[%d]", i)
		switch {
		case s.Region != "" && !regionForm.MatchString(s.Region):
			return &problem{key + ".region", fmt.Sprintf("%q is no region", s.Region)}
		case (s.AccessKeyID == "") != (s.SecretAccessKey == ""):
			return &problem{key, "has one of accessKeyId and secretAccessKey: give both or neither"}
		}
		if p := checkURL(key+".endpoint", s.Endpoint); p != nil {
			return p
		}
	}
	for i, s := range a.Alertmanager {
		if p := s.check(fmt.Sprintf("alarms.alertmanager[%d]", i), insecure); p != nil {
			return p
		}
	}
	return nil
}

func (s Prometheus) check(key string, insecure bool) *problem {
	if p := (opened{s.URL, s.BearerToken, s.Username, s.Password}).check(key, "http://127.0.0.1:9090", insecure); p != nil {
		return p
	}
	if len(s.Alarms) == 0 && !s.Rules {
		return &problem{key, "has no alarms: list expressions under alarms, or set rules to take its alerting rules"}
	}
	var names []string
	for i, a := range s.Alarms {
		names = append(names, a.Name)
		if a.Expr == "" {
			return &problem{fmt.Sprintf("%s.alarms[%d]", key, i), "has no expr: give the PromQL expression of the alarm"}
		}
	}
	return checkAlarmNames(key, names)
}

func (s Alertmanager) check(key string, insecure bool) *problem {
	if p := (opened{s.URL, s.BearerToken, s.Username, s.Password}).check(key, "http://127.0.0.1:9093", insecure); p != nil {
		return p
	}
	var names []string
	for _, a := range s.Alarms {
		names = append(names, a.Name)
	}
	return checkAlarmNames(key, names)
}

func checkAlarmNames(key string, names []string) *problem {
	for i, name := range names {
		key := fmt.Sprintf("%s.alarms[%d]", key, i)
		switch first := slices.Index(names, name); {
		case name == "" || utf8.RuneCountInString(name) > maxAlarmName:
			return &problem{key, fmt.Sprintf("has a name of %d characters: give it 1 to %d, as alarmConfiguration names it", utf8.RuneCountInString(name), maxAlarmName)}
		case first != i:
			return &problem{key, fmt.Sprintf("has the name %q, as alarms[%d] has: give each its own", name, first)}
		}
	}
	return nil
}

// opened is the address of a server and what opens it.
type opened struct{ url, token, username, password string }

// check refuses an address that is none, and credentials that would go over a network in the clear, unless that is asked for.
func (o opened) check(key, example string, insecure bool) *problem {
	u, err := url.Parse(o.url)
	switch {
	case o.url == "":
		return &problem{key, "has no url: give one such as " + example}
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return &problem{key + ".url", fmt.Sprintf("%q is not a URL such as %s; credentials have keys of their own", o.url, example)}
	case o.token != "" && o.username+o.password != "":
		return &problem{key, "has both bearerToken and username or password: give one kind of credentials"}
	case o.username == "" && o.password != "":
		return &problem{key, "has a password and no username: give both or neither"}
	case o.token+o.username != "" && u.Scheme == "http" && !insecure && !Loopback(net.JoinHostPort(u.Hostname(), "80")):
		return &problem{key + ".url", fmt.Sprintf("%q would send the credentials in the clear: write https, or set insecurePlainHttp when the network is trusted", o.url)}
	}
	return nil
}
