package enroll

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"crossfade/internal/join"
	"crossfade/internal/safefile"
	"crossfade/internal/sigv4"
)

// What a directory holds. Settings are written last and removed first, so that where they are, everything is.
const (
	settingsFile    = "agent.yml"
	hostFile        = "host.yml"
	credentialsFile = "credentials"
	authorityFile   = "ca.pem"
	signersFile     = "signers.pem"
)

// Directory is where an enrolled host's identity is kept.
type Directory string

// Settings are how an agent runs from a directory. Paths in the file may be relative to it; here they are not.
type Settings struct {
	Endpoint string `yaml:"endpoint"`           // base URL of the server
	Region   string `yaml:"region"`             // of the server
	Host     string `yaml:"host"`               // file with the host's identity
	CA       string `yaml:"ca,omitempty"`       // file with the certificates that the server's is checked against; empty: the system's
	SignerCA string `yaml:"signerCa,omitempty"` // file with the certificates that signers of specifications are checked against; empty: any signer
	Root     string `yaml:"root,omitempty"`     // directory of deployments and progress; empty: the agent's default
}

// Session is the credentials of a directory and how long they hold.
type Session struct {
	sigv4.Credential
	IssuedAt, ExpiresAt, RenewUntil time.Time
}

// maxFile bounds what is read of a file, in bytes.
const maxFile = 1 << 20

// Exists reports whether there is an enrolment.
func (d Directory) Exists() bool {
	_, err := os.Stat(d.path(settingsFile))
	return err == nil
}

func (d Directory) path(name string) string { return filepath.Join(string(d), name) }

// Prepare makes the directory and tries whether files can be written in it.
func (d Directory) Prepare() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make the directory of the host's identity: %w", err)
	}
	info, err := os.Stat(string(d))
	if err != nil {
		return err
	}
	if othersMatter && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others can write to %s, and could change whom this host trusts: chmod go-w %s", d, d)
	}
	probe := d.path(".try")
	if err := errors.Join(safefile.Write(probe, 0o600, nil), os.Remove(probe)); err != nil {
		return fmt.Errorf("write to the directory of the host's identity: %w", err)
	}
	return nil
}

// Give makes the directory and what this package keeps in it another user's.
func (d Directory) Give(uid, gid int) error {
	for _, name := range []string{"", settingsFile, hostFile, credentialsFile, authorityFile, signersFile} {
		if err := os.Lchown(d.path(name), uid, gid); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("give the host's identity to its user: %w", err)
		}
	}
	return nil
}

// Load reads the settings.
func (d Directory) Load() (Settings, error) {
	content, err := d.read(settingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, fmt.Errorf("%s holds no enrolled host: run crossfade agent enroll --dir %s with a join token", d, d)
	}
	if err != nil {
		return Settings{}, fmt.Errorf("read the settings of the agent: %w", err)
	}
	s, err := parseSettings(content)
	if err != nil {
		return Settings{}, fmt.Errorf("%s: %w", d.path(settingsFile), err)
	}
	for _, p := range []*string{&s.Host, &s.CA, &s.SignerCA} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = d.path(*p)
		}
	}
	return s, nil
}

func parseSettings(content []byte) (s Settings, err error) {
	defer func() {
		if p := recover(); p != nil { // the parser panics on some damaged files
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	if err := yaml.Unmarshal(content, &s); err != nil {
		return Settings{}, fmt.Errorf("it is no YAML file of \"key: value\" lines: %w", err)
	}
	if s.Endpoint == "" || s.Region == "" || s.Host == "" {
		return Settings{}, errors.New("endpoint, region or host is missing: enrol the host again")
	}
	return s, nil
}

func (d Directory) read(name string) ([]byte, error) {
	info, err := os.Stat(d.path(name))
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is %d bytes, more than the %d allowed", d.path(name), info.Size(), maxFile)
	}
	return os.ReadFile(d.path(name))
}

// identityFile is the official on-premises file of a session.
type identityFile struct {
	Region      string `yaml:"region"`
	SessionARN  string `yaml:"iam_session_arn"`
	Credentials string `yaml:"aws_credentials_file"`
}

// enrolled is what is written for a new host.
type enrolled struct {
	arn, region, endpoint, root string
	authorities, signers        []byte // PEM; empty: none
	session                     Session
}

// write replaces what the directory holds.
func (d Directory) write(e enrolled) error {
	whole, err := filepath.Abs(string(d))
	if err != nil {
		return err
	}
	if err := os.Remove(d.path(settingsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s := Settings{Endpoint: e.endpoint, Region: e.region, Host: hostFile, Root: e.root}
	if err := d.WriteSession(e.session); err != nil {
		return err
	}
	if len(e.authorities) > 0 {
		s.CA = authorityFile
		if err := safefile.Write(d.path(authorityFile), 0o600, e.authorities); err != nil {
			return err
		}
	}
	if len(e.signers) > 0 {
		s.SignerCA = signersFile
		if err := safefile.Write(d.path(signersFile), 0o600, e.signers); err != nil {
			return err
		}
	}
	// The official agent is started anywhere, so its file names the other by its whole path.
	identity, err := yaml.Marshal(identityFile{e.region, e.arn, filepath.Join(whole, credentialsFile)})
	if err != nil {
		return err
	}
	if err := safefile.Write(d.path(hostFile), 0o600, append([]byte("---\n"), identity...)); err != nil {
		return err
	}
	settings, err := yaml.Marshal(s)
	if err != nil {
		return err
	}
	return safefile.Write(d.path(settingsFile), 0o600, settings)
}

// The keys of a session that AWS's tools don't know and leave alone.
const (
	issuedKey     = "crossfade_issued_at"
	expiresKey    = "crossfade_expires_at"
	renewUntilKey = "crossfade_renew_until"
)

// WriteSession replaces the credentials, durably and at once: whoever reads them sees the old ones or the new ones.
func (d Directory) WriteSession(s Session) error {
	var b strings.Builder
	b.WriteString("[default]\n")
	for _, line := range [][2]string{
		{"aws_access_key_id", s.AccessKeyID}, {"aws_secret_access_key", s.SecretAccessKey}, {"aws_session_token", s.SessionToken},
		{issuedKey, s.IssuedAt.UTC().Format(time.RFC3339)}, {expiresKey, s.ExpiresAt.UTC().Format(time.RFC3339)}, {renewUntilKey, s.RenewUntil.UTC().Format(time.RFC3339)},
	} {
		if strings.ContainsAny(line[1], "\r\n") {
			return fmt.Errorf("write credentials: %s has a line break in it", line[0])
		}
		fmt.Fprintf(&b, "%s = %s\n", line[0], line[1])
	}
	if err := safefile.Write(d.path(credentialsFile), 0o600, []byte(b.String())); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return nil
}

// Session reads the credentials. Times that are not there are zero.
func (d Directory) Session() (Session, error) {
	content, err := d.read(credentialsFile)
	if err != nil {
		return Session{}, fmt.Errorf("read credentials: %w", err)
	}
	s, err := parseSession(string(content))
	if err != nil {
		return Session{}, fmt.Errorf("%s: %w", d.path(credentialsFile), err)
	}
	return s, nil
}

func parseSession(content string) (Session, error) {
	var s Session
	var wrong error
	for line := range strings.Lines(content) {
		key, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		var at *time.Time
		switch strings.TrimSpace(key) {
		case "aws_access_key_id":
			s.AccessKeyID = value
		case "aws_secret_access_key":
			s.SecretAccessKey = value
		case "aws_session_token":
			s.SessionToken = value
		case issuedKey:
			at = &s.IssuedAt
		case expiresKey:
			at = &s.ExpiresAt
		case renewUntilKey:
			at = &s.RenewUntil
		}
		if at != nil {
			var err error
			if *at, err = time.Parse(time.RFC3339, value); err != nil {
				wrong = fmt.Errorf("%s is no time", strings.TrimSpace(key))
			}
		}
	}
	if s.AccessKeyID == "" || s.SecretAccessKey == "" || s.SessionToken == "" {
		return Session{}, errors.New("it holds no session: enrol the host again")
	}
	return s, wrong
}

// sessionOf is a server's answer, received at the time.
func sessionOf(s *join.Session, at time.Time) (Session, error) {
	if !s.Whole() {
		return Session{}, errors.New("the answer lacks the host's credentials: is it a Crossfade server of this version?")
	}
	return Session{
		Credential: sigv4.Credential{AccessKeyID: *s.AccessKeyID, SecretAccessKey: *s.SecretAccessKey, SessionToken: *s.SessionToken},
		IssuedAt:   at, ExpiresAt: s.ExpiresAt.Time, RenewUntil: s.RenewUntil.Time,
	}, nil
}
