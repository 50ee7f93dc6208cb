package identity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const user = "region: eu-west-1\niam_user_arn: arn:aws:iam::123456789012:user/h\naws_access_key_id: AK\naws_secret_access_key: SK\n"

func TestTheOnPremisesFileOfAUser(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"---\n" + user, ":" + strings.ReplaceAll(strings.TrimSpace(user), "\n", "\n:")} {
		id, err := Parse([]byte(content))
		if err != nil {
			t.Fatal(err)
		}
		creds, err := id.Credentials(time.Now())
		if err != nil || creds != (Credentials{"AK", "SK", ""}) || id.Region != "eu-west-1" || id.Host != "arn:aws:iam::123456789012:user/h" {
			t.Errorf("got %+v, %v, %v", id, creds, err)
		}
	}
}

func TestWhatIsWrongWithAFile(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                                      "region is missing",
		"- a":                                   "no YAML file",
		"region: r":                             "iam_user_arn is missing",
		"region: r\niam_user_arn: a":            "aws_access_key_id",
		user + "iam_session_arn: b":             "keep one",
		"region: r\niam_session_arn: a":         "aws_credentials_file is missing",
		"region: r\niam_user_arn: {a: b}\nx: y": "no YAML file",
	} {
		if _, err := Parse([]byte(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", content, err, want)
		}
	}
}

func TestLoadWarnsOfOpenSecrets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "host.yml")
	if err := os.WriteFile(path, []byte(user), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, note, err := Load(path); err != nil || onlyOwnerMatters && !strings.Contains(note, "chmod 600") {
		t.Errorf("got %q, %v", note, err)
	}
	if _, _, err := Load(path + "x"); err == nil {
		t.Error("a file out of nowhere was read")
	}
}

func TestSessionCredentialsAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "credentials")
	write := func(key string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("[other]\naws_access_key_id = no\n[default]\n# c\naws_access_key_id = "+key+"\naws_secret_access_key=SK\naws_session_token=T\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	id, err := Parse([]byte("region: r\niam_session_arn: a\naws_credentials_file: " + file))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	want := func(at time.Duration, key string) {
		t.Helper()
		if c, err := id.Credentials(now.Add(at)); err != nil || c != (Credentials{key, "SK", "T"}) {
			t.Errorf("after %v: got %v, %v, want %s", at, c, err, key)
		}
	}
	want(0, "one")
	write("two")
	want(29*time.Minute, "one")
	want(31*time.Minute, "two")
	write("three")
	id.Refresh()
	want(32*time.Minute, "three")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	want(90*time.Minute, "three")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(user))
	f.Fuzz(func(t *testing.T, content []byte) {
		if id, err := Parse(content); err == nil && (id.Host == "" || id.Region == "") {
			t.Errorf("%q made %+v", content, id)
		}
	})
}

func FuzzParseCredentials(f *testing.F) {
	f.Add("[default]\naws_access_key_id=a\naws_secret_access_key=b\n")
	f.Fuzz(func(t *testing.T, content string) {
		if c, err := parseCredentials(content); err == nil && (c.AccessKeyID == "" || c.SecretAccessKey == "") {
			t.Errorf("%q made %+v", content, c)
		}
	})
}
