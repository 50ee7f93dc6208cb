// Package config is what an operator can say to a Crossfade server: one YAML file, then CROSSFADE_* environment variables, then flags, each
// later one over the earlier. Every key has a default, so that saying nothing works.
//
// It owns the keys, their defaults, and what is refused: a key or a variable that does not exist (it is a typing error, and the server would
// otherwise run with something else than was meant), a value of the wrong kind, a value out of its range; each with the file and line, or
// the variable, or the flag that it came from. It opens and starts nothing. Its functions are pure but for reading the one file.
package config

import "time"

// Config is everything that can be configured. The tags are the keys in the file.
type Config struct {
	// Listen is the host:port of the one endpoint for all services; port 0 takes a free one.
	Listen string `koanf:"listen"`
	// Data is the directory that holds everything that must survive; made when it is missing.
	Data string `koanf:"data"`
	// Store is the URL of the PostgreSQL database that keeps what several servers share, postgres://user@host/database. Empty: SQLite in Data, for
	// one server. It may hold a password, so it is never printed.
	Store string `koanf:"store"`
	// Region is the one region that the server is in.
	Region string `koanf:"region"`
	// Account is the account of the root key, twelve digits.
	Account string `koanf:"account"`
	// Endpoint is the URL by which clients reach the server, when that is not the one it listens on. Empty: made of Listen.
	Endpoint string `koanf:"endpoint"`
	// InsecurePlainHTTP has the endpoint speak plain HTTP on an address that other machines can reach.
	InsecurePlainHTTP bool          `koanf:"insecurePlainHttp"`
	TLS               TLS           `koanf:"tls"`
	Log               Log           `koanf:"log"`
	Limits            Limits        `koanf:"limits"`
	Audit             Audit         `koanf:"audit"`
	Agents            Agents        `koanf:"agents"`
	Revisions         Revisions     `koanf:"revisions"`
	LoadBalancer      LoadBalancer  `koanf:"loadBalancer"`
	Alarms            Alarms        `koanf:"alarms"`
	Notifications     Notifications `koanf:"notifications"`
	Fleets            []Fleet       `koanf:"fleets"`
	Identity          Identity      `koanf:"identity"`
	Retention         Retention     `koanf:"retention"`
	// Linger is how long the server goes on as before once it is told to stop, except that /readyz says 503, so that whoever asks it can turn away.
	Linger          time.Duration `koanf:"linger"`
	ShutdownTimeout time.Duration `koanf:"shutdownTimeout"` // how long requests under way may take after that
}

// TLS is how the endpoint speaks HTTPS. Beyond loopback it does unless insecurePlainHttp says otherwise: with the certificate that is given here, else with
// one of the server's own authority, which is made at the first start.
type TLS struct {
	On   bool   `koanf:"on"`   // on loopback too
	Cert string `koanf:"cert"` // a PEM file, the server's certificate first; empty: one of the server's own authority
	Key  string `koanf:"key"`  // a PEM file
	// Names are host names and IP addresses that the authority's certificate is for besides those that the server knows of.
	Names []string `koanf:"names"`
}

// HTTPS reports whether the endpoint speaks HTTPS.
func (c Config) HTTPS() bool {
	return c.TLS.On || c.TLS.Cert != "" || !c.InsecurePlainHTTP && !Loopback(c.Listen)
}

// Log says what is logged on standard error.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn or error
	Format string `koanf:"format"` // text or json
}

// Agents is what concerns the hosts.
type Agents struct {
	// PollHold is how long a poll without work is held: below the 80 s after which agents give up, and below the idle timeout of what stands
	// between them and the server.
	PollHold time.Duration `koanf:"pollHold"`
}

// Revisions is where bundles are kept.
type Revisions struct {
	// Buckets are made in the built-in store at start, unless they are there.
	Buckets []string `koanf:"buckets"`
	// Directory is where the built-in store keeps bundles, when several servers share it: on a file system whose locks they share. Empty: in
	// the data directory, this server's alone.
	Directory string `koanf:"directory"`
	// External are buckets of other S3 endpoints. Agents read them here, under their own names, and nobody writes them here.
	External []ExternalBuckets `koanf:"external"`
	GitHub   GitHub            `koanf:"github"`
}

// ExternalBuckets are buckets of one S3 endpoint.
type ExternalBuckets struct {
	Buckets   []string `koanf:"buckets"`
	Endpoint  string   `koanf:"endpoint"`  // empty: AWS's own of the region
	Region    string   `koanf:"region"`    // empty: the server's
	PathStyle bool     `koanf:"pathStyle"` // the bucket is in the path and not in the host name
	// AccessKeyID and SecretAccessKey sign the requests. Both empty: what the AWS SDK finds by itself.
	AccessKeyID     string `koanf:"accessKeyId"`
	SecretAccessKey string `koanf:"secretAccessKey"`
}

// The values of LoadBalancer.Mode.
const (
	BalancerEmbedded = "embedded" // in the server
	BalancerProxies  = "proxies"  // in processes of its own: crossfade proxy
)

// LoadBalancer is the built-in load balancer. Without listeners it only keeps what is registered.
type LoadBalancer struct {
	Mode string `koanf:"mode"` // BalancerEmbedded or BalancerProxies
	// ForgetProxyAfter is how long a silent proxy is waited for before instances that it may still send requests to count as out of traffic.
	ForgetProxyAfter time.Duration `koanf:"forgetProxyAfter"`
	Listeners        []Listener    `koanf:"listeners"`
	TargetGroups     []TargetGroup `koanf:"targetGroups"`
}

// Listener is an address that takes HTTP requests.
type Listener struct {
	Name    string    `koanf:"name"` // empty: the address
	Address string    `koanf:"address"`
	Forward []Forward `koanf:"forward"`
}

// Forward is a target group's share of a listener's requests.
type Forward struct {
	TargetGroup string `koanf:"targetGroup"`
	Weight      int    `koanf:"weight"`
}

// TargetGroup is a set of targets with a common health check. Zero members mean the load balancer's defaults.
type TargetGroup struct {
	Name                string        `koanf:"name"`
	Port                int           `koanf:"port"` // of targets whose address names none
	DeregistrationDelay time.Duration `koanf:"deregistrationDelay"`
	HealthCheck         HealthCheck   `koanf:"healthCheck"`
}

// HealthCheck is how the targets of a group are probed.
type HealthCheck struct {
	Path               string        `koanf:"path"`
	Interval           time.Duration `koanf:"interval"`
	Timeout            time.Duration `koanf:"timeout"`
	HealthyThreshold   int           `koanf:"healthyThreshold"`
	UnhealthyThreshold int           `koanf:"unhealthyThreshold"`
	Matcher            string        `koanf:"matcher"` // status codes such as "200" or "200-399"
}

// Default is the configuration of a server to which nothing is said.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:8470", Data: "crossfade-data", Region: "us-east-1", Account: "000000000000",
		Log: Log{Level: "info", Format: "text"}, Agents: Agents{PollHold: 20 * time.Second}, ShutdownTimeout: 30 * time.Second,
		LoadBalancer: LoadBalancer{Mode: BalancerEmbedded, ForgetProxyAfter: 30 * time.Minute},
		Limits:       defaultLimits(), Audit: Audit{MaxMegabytes: 64, Keep: 32},
		Revisions: Revisions{GitHub: GitHub{Kind: "github", Timeout: 10 * time.Minute}}, Retention: defaultRetention(),
	}
}
