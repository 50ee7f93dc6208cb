package counterpart

import (
	"regexp"
	"testing"
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
