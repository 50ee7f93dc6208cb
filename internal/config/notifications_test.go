package config_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"crossfade/internal/config"
)

var webhookSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))

func TestNotificationsAreConfigured(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "crossfade.yaml")
	text := `
notifications:
  sns:
    enabled: true
    endpoint: https://sns.example.com
    region: eu-west-1
    accessKeyId: KEY
    secretAccessKey: SECRET
    doubleEncode: true
  webhooks:
    - name: ops
      url: https://hooks.example.com/deployments?x=1
      secrets: [` + webhookSecret + `]
      topics: ["arn:aws:sns:us-east-1:111122223333:ops-*", "arn:aws:sns:us-east-1:111122223333:all.fifo"]
    - name: states
      url: http://127.0.0.1:8080/
      secrets: [` + webhookSecret + `]
      stateChanges: true
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Notifications{
		SNS: config.SNS{Enabled: true, Endpoint: "https://sns.example.com", Region: "eu-west-1", AccessKeyID: "KEY", SecretAccessKey: "SECRET", DoubleEncode: true},
		Webhooks: []config.Webhook{
			{Name: "ops", URL: "https://hooks.example.com/deployments?x=1", Secrets: []string{webhookSecret}, Topics: []string{"arn:aws:sns:us-east-1:111122223333:ops-*", "arn:aws:sns:us-east-1:111122223333:all.fifo"}},
			{Name: "states", URL: "http://127.0.0.1:8080/", Secrets: []string{webhookSecret}, StateChanges: true},
		},
	}
	if !reflect.DeepEqual(c.Notifications, want) {
		t.Errorf("read was %+v", c.Notifications)
	}
	// A later layer replaces the list whole.
	c, err = config.Load(config.Sources{File: file, Environ: []string{
		`CROSSFADE_NOTIFICATIONS_WEBHOOKS=[{name: only, url: "https://hooks.example.com/", secrets: [` + webhookSecret + `], topics: ["arn:*"]}]`,
	}})
	if err != nil || len(c.Notifications.Webhooks) != 1 || c.Notifications.Webhooks[0].StateChanges || c.Notifications.Webhooks[0].Name != "only" {
		t.Errorf("then read was %+v, %v", c.Notifications.Webhooks, err)
	}
}

func TestNotificationsAreChecked(t *testing.T) {
	t.Parallel()
	hook := func(text string) string {
		return `CROSSFADE_NOTIFICATIONS_WEBHOOKS=[` + strings.ReplaceAll(text, "SECRET", webhookSecret) + `]`
	}
	for _, c := range []struct{ variable, says string }{
		{"CROSSFADE_NOTIFICATIONS_SNS_ENABLED=true", ""},
		{"CROSSFADE_NOTIFICATIONS_SNS_ENDPOINT=https://sns.example.com", "notifications.sns is described but not enabled"},
		{"CROSSFADE_NOTIFICATIONS_SNS_REGION=US", "is no region"},
		{"CROSSFADE_NOTIFICATIONS_SNS_ACCESS_KEY_ID=x", "give both or neither"},
		{"CROSSFADE_NOTIFICATIONS_SNS_SECRET_ACCESS_KEY=x", "give both or neither"},
		{hook(`{name: a, url: "https://h/", secrets: [SECRET], topics: ["arn:aws:sns:*"]}`), ""},
		{hook(`{name: a b, url: "https://h/", secrets: [SECRET], stateChanges: true}`), "notifications.webhooks[0].name"},
		{hook(`{name: a, url: "https://h/", stateChanges: true}`), "notifications.webhooks[0].secrets is empty"},
		{hook(`{name: a, url: "https://h/", secrets: [hidden-secret], stateChanges: true}`), "notifications.webhooks[0].secrets[0] can't be"},
		{hook(`{name: a, url: "https://h/", secrets: [SECRET]}`), "is told nothing"},
		{hook(`{name: a, url: "http://h/", secrets: [SECRET], stateChanges: true}`), "in the clear"},
		{hook(`{name: a, url: "h", secrets: [SECRET], stateChanges: true}`), "notifications.webhooks[0].url can't be"},
		{hook(`{name: a, url: "https://h/", secrets: [SECRET], topics: ["arn:aws:*:x"]}`), "not at its end"},
		{hook(`{name: a, url: "https://h/", secrets: [SECRET], topics: [deployments]}`), "not the ARN of an SNS topic"},
		{hook(`{name: a, url: "https://h/", secrets: [SECRET], topics: ["arn:*"]}, {name: b, url: "https://h/", secrets: [SECRET], topics: ["arn:*"]}`), "is named by notifications.webhooks[0].topics[0] already"},
		{hook(`{name: a, url: "https://h/", secrets: [SECRET], stateChanges: true}, {name: a, url: "https://i/", secrets: [SECRET], stateChanges: true}`), "is the name of another webhook"},
	} {
		_, err := config.Load(config.Sources{Environ: []string{c.variable}})
		if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hidden-secret")) {
			t.Errorf("%s: %v, want %q", c.variable, err, c.says)
		}
	}
}
