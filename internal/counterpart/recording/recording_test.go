package recording

import (
	"testing"
)

const dir = "../../../test/testdata/interop"

func TestRecordingsAreWhole(t *testing.T) {
	t.Parallel()
	for name, r := range Load(t, dir) {
		for i, d := range r.Deployments {
			commands, err := d.Commands()
			if err != nil {
				t.Fatalf("%s, deployment %d: %v", name, i, err)
			}
			for _, c := range commands {
				if n := len(c.Exchanges); n < 3 || c.Exchanges[0].Operation != "GetDeploymentSpecification" || c.Exchanges[1].Operation != "PutHostCommandAcknowledgement" ||
					c.Exchanges[n-1].Operation != "PutHostCommandComplete" {
					t.Errorf("%s, deployment %d, %s: %d exchanges, want specification, acknowledgement, …, completion", name, i, c.Event, n)
				}
			}
		}
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":1,"b":[{"c":"x"},{"c":"y"}],"d":1.5,"e":null,"f":true}`: " object\n.a whole number\n.b list\n.b[] object\n.b[].c string\n.d fraction\n.e <nil>\n.f bool",
		`{"Payload":"{\"n\":4}"}`:                                     " object\n.Payload object\n.Payload.n whole number",
		`{"Payload":"-----BEGIN PKCS"}`:                               " object\n.Payload string",
	} {
		if got, err := Shape([]byte(in)); err != nil || got != want {
			t.Errorf("%s is\n%s, %v", in, got, err)
		}
	}
	if _, err := Shape([]byte(`{} {}`)); err == nil {
		t.Error("two documents were taken for one")
	}
}

func TestExchangesWithoutCommandAreRefused(t *testing.T) {
	t.Parallel()
	for _, e := range []Exchange{
		{Operation: "GetDeploymentSpecification"}, {Operation: "GetObject"}, {Operation: "PutHostCommandComplete", Request: []byte(`{"HostCommandIdentifier":"c"}`)},
		{Operation: "PollHostCommand", Answer: []byte(`[]`)}, {Operation: "PutHostCommandComplete", Request: []byte(`7`)},
	} {
		if _, err := (Deployment{Exchanges: []Exchange{e}}).Commands(); err == nil {
			t.Errorf("%s without a command was accepted", e.Operation)
		}
	}
}
