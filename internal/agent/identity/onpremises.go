package identity

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// reread is how long credentials of a session are used before the file is read again.
const reread = 30 * time.Minute

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // empty for a user's key
}

// Identity is who the host is.
type Identity struct {
	Host   string // its ARN, by which the server knows it
	Region string

	file string // of a session's credentials; empty: fixed ones

	mu     sync.Mutex
	creds  Credentials
	readAt time.Time
}

// New is an identity that comes from no file.
func New(host, region string, creds Credentials) *Identity {
	return &Identity{Host: host, Region: region, creds: creds}
}

// onPremises is the file as it is written. Keys may begin with a colon, as the official tools write some of their files.
type onPremises struct {
	Region          string `yaml:"region"`
	UserARN         string `yaml:"iam_user_arn"`
	AccessKeyID     string `yaml:"aws_access_key_id"`
	SecretAccessKey string `yaml:"aws_secret_access_key"`
	SessionARN      string `yaml:"iam_session_arn"`
	CredentialsFile string `yaml:"aws_credentials_file"`
}

// Load reads an on-premises file. The note is something that the operator should know though it is no error; it may be empty.
func Load(path string) (id *Identity, note string, err error) {
	content, err := readBounded(path)
	if err != nil {
		return nil, "", fmt.Errorf("read host configuration: %w", err)
	}
	id, err = Parse(content)
	if err != nil {
		return nil, "", fmt.Errorf("host configuration %s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && onlyOwnerMatters && info.Mode().Perm()&0o077 != 0 {
		note = fmt.Sprintf("%s holds a secret and can be read by others: chmod 600 %s", path, path)
	}
	if id.file != "" {
		if _, err := id.Credentials(time.Now()); err != nil {
			return nil, "", fmt.Errorf("host configuration %s: %w", path, err)
		}
	}
	return id, note, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is %d bytes, more than the %d allowed", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// Parse reads the content of an on-premises file.
func Parse(content []byte) (*Identity, error) {
	var values map[string]string
	if err := unmarshal(content, &values); err != nil {
		return nil, fmt.Errorf("it is no YAML file of \"key: value\" lines: %w", err)
	}
	get := func(key string) string {
		if v, ok := values[key]; ok {
			return strings.TrimSpace(v)
		}
		return strings.TrimSpace(values[":"+key])
	}
	f := onPremises{
		Region: get("region"), UserARN: get("iam_user_arn"), AccessKeyID: get("aws_access_key_id"), SecretAccessKey: get("aws_secret_access_key"),
		SessionARN: get("iam_session_arn"), CredentialsFile: get("aws_credentials_file"),
	}
	return f.identity()
}

// unmarshal turns a panic of the YAML parser on damaged input into an error.
func unmarshal(content []byte, into any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	return yaml.Unmarshal(content, into)
}

func (f onPremises) identity() (*Identity, error) {
	switch {
	case f.Region == "":
		return nil, errors.New("region is missing: add the region of the server")
	case f.UserARN != "" && f.SessionARN != "":
		return nil, errors.New("iam_user_arn and iam_session_arn are both given: keep one of them")
	case f.UserARN != "" && (f.AccessKeyID == "" || f.SecretAccessKey == ""):
		return nil, errors.New("aws_access_key_id or aws_secret_access_key is missing: iam_user_arn needs both")
	case f.UserARN != "":
		return New(f.UserARN, f.Region, Credentials{AccessKeyID: f.AccessKeyID, SecretAccessKey: f.SecretAccessKey}), nil
	case f.SessionARN != "" && f.CredentialsFile == "":
		return nil, errors.New("aws_credentials_file is missing: iam_session_arn needs it")
	case f.SessionARN != "":
		return &Identity{Host: f.SessionARN, Region: f.Region, file: f.CredentialsFile}, nil
	default:
		return nil, errors.New("iam_user_arn is missing: add the host's ARN")
	}
}

// Credentials are what to sign with at the given time. Those of a session are read again every half hour; when that fails, the ones read
// last are used on.
func (id *Identity) Credentials(now time.Time) (Credentials, error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.file == "" || (!id.readAt.IsZero() && now.Sub(id.readAt) < reread) {
		return id.creds, nil
	}
	content, err := readBounded(id.file)
	var creds Credentials
	if err == nil {
		creds, err = parseCredentials(string(content))
	}
	if err != nil {
		if !id.readAt.IsZero() {
			return id.creds, nil
		}
		return Credentials{}, fmt.Errorf("read session credentials %s: %w", id.file, err)
	}
	id.creds, id.readAt = creds, now
	return creds, nil
}

// Refresh makes the next Credentials read the file again, for when a server refuses what was read last.
func (id *Identity) Refresh() {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.file != "" && !id.readAt.IsZero() {
		id.readAt = time.Unix(0, 0)
	}
}

// parseCredentials reads the section [default] of a shared credentials file.
func parseCredentials(content string) (Credentials, error) {
	var c Credentials
	section := ""
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if strings.HasPrefix(line, "[") {
			section = strings.TrimSpace(strings.Trim(line, "[]"))
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		if section != "default" {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "aws_access_key_id":
			c.AccessKeyID = value
		case "aws_secret_access_key":
			c.SecretAccessKey = value
		case "aws_session_token":
			c.SessionToken = value
		}
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return Credentials{}, errors.New("the section [default] has no aws_access_key_id or no aws_secret_access_key")
	}
	return c, nil
}
