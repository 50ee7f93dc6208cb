package counterpart

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"crossfade/internal/sigv4"
)

var motoListens = regexp.MustCompile(`Running on http://(127\.0\.0\.1:\d+)`)

// Moto starts a moto_server, which plays the services of AWS, and returns its URL, the endpoint of every service. It takes any access key;
// what is kept in one region is not seen in another.
func Moto(t testing.TB) string {
	t.Helper()
	return "http://" + program{
		names: []string{"moto_server"}, have: "the Python package moto[server]",
		args: []string{"-H", "127.0.0.1", "-p", "0"}, listens: motoListens, ready: motoListens,
	}.start(t)
}

// EC2 makes a call of EC2 in a region of a moto_server and returns the first text that the answer has in the element. The parameters are those of the
// Query protocol, of which Action names the operation.
func EC2(t testing.TB, endpoint, region, element string, parameters map[string]string) string {
	t.Helper()
	form := url.Values{"Version": {"2016-11-15"}}
	for name, value := range parameters {
		form.Set(name, value)
	}
	body := form.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// It reads the service and the region from the signature, and does not verify that.
	sigv4.Sign(r, sigv4.Credential{AccessKeyID: "AKID", SecretAccessKey: "SECRET"}, region, "ec2", sigv4.Hash([]byte(body)), time.Now())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	if closed := res.Body.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	_, rest, found := strings.Cut(string(answer), "<"+element+">")
	text, _, whole := strings.Cut(rest, "</"+element+">")
	if res.StatusCode != http.StatusOK || !found || !whole {
		t.Fatalf("%s answers %s: %s", parameters["Action"], res.Status, answer)
	}
	return text
}
