package api_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// FuzzBodies sends any body to any operation, and holds that each is answered with a success or with an exception of its own.
func FuzzBodies(f *testing.F) {
	w, operations := fuzzedWorld(f)
	for i, op := range operations {
		for _, r := range refusals[op.Name] {
			f.Add(uint8(i), r.body)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		w.attempt(t, operations[int(which)%len(operations)], body)
	})
}

// FuzzInputs sends inputs that have the form of the operation's: members that are there or not, with values that are good, nearly good, or bad.
func FuzzInputs(f *testing.F) {
	w, operations := fuzzedWorld(f)
	for i := range operations {
		for _, choices := range []string{"", "\x01", "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", strings.Repeat("\x11\x25\x36", 40), strings.Repeat("\x02\x43", 99)} {
			f.Add(uint8(i), []byte(choices))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, choices []byte) {
		op := operations[int(which)%len(operations)]
		c := &chooser{choices: choices, ids: w.ids}
		body, err := json.Marshal(c.value(reflect.TypeOf(op.New()).Elem(), 0))
		if err != nil {
			t.Fatal(err)
		}
		w.attempt(t, op, string(body))
	})
}

// fuzzed is a world that outlives a single attempt.
type fuzzed struct {
	*world
	ids []string
}

func fuzzedWorld(f *testing.F) (*fuzzed, []wire.Operation) {
	f.Helper()
	w := newWorld(f)
	ids := w.stockForRefusals()
	out := &fuzzed{world: w}
	for _, state := range []string{"{ready}", "{flat}", "{created}", "{gone}", "{failed}", "{stopped}"} {
		out.ids = append(out.ids, ids.Replace(state))
	}
	return out, control.Describe(w.api).Operations
}

// attempt calls an operation. The codec is strict: an exception that the operation does not declare is an InternalFailure too.
func (w *fuzzed) attempt(t *testing.T, op wire.Operation, body string) {
	w.t = t
	exception, answer := w.call(op.Name, body)
	switch {
	case exception == "":
		w.restore(op.Name)
	case op.Declares(wire.Code(exception)):
		if p := dig(t, answer, "message"); len(p) < 10 {
			t.Errorf("%s %q was answered %s", op.Name, body, answer)
		}
	case exception != "SerializationException" && exception != "ValidationException":
		t.Errorf("%s %q was answered %s", op.Name, body, answer)
	}
}

// restore brings back what a successful call may have taken away, so that later attempts find something.
func (w *fuzzed) restore(operation string) {
	if !strings.HasPrefix(operation, "Delete") && !strings.HasPrefix(operation, "Update") && !strings.HasPrefix(operation, "Deregister") {
		return
	}
	for operation, bodies := range map[string][]string{
		"CreateApplication":          {`{"applicationName":"shop"}`, `{"applicationName":"fn","computePlatform":"Lambda"}`, `{"applicationName":"tasks","computePlatform":"ECS"}`},
		"RegisterOnPremisesInstance": {`{"instanceName":"blue-1","iamUserArn":"arn:aws:iam::123456789012:user/blue-1"}`},
	} {
		for _, body := range bodies {
			w.call(operation, body)
		}
	}
	w.call("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"prod","serviceRoleArn":"`+role+`"}`)
	w.call("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat","serviceRoleArn":"`+role+`"}`)
}

// chooser makes values of a type, and lets bytes choose among what there is. When they run out, it chooses the first.
type chooser struct {
	choices []byte
	ids     []string
}

func (c *chooser) pick(n int) int {
	if len(c.choices) == 0 {
		return 0
	}
	chosen := int(c.choices[0]) % n
	c.choices = c.choices[1:]
	return chosen
}

// words are strings that mean something to some operation, or nothing to any.
var words = []string{
	"shop", "prod", "flat", "fn", "alias", "tasks", "mine", "none", "new", "", "?", "a b", "\u00e9", "\x00", long, strings.Repeat("y", 100), "blue-1", "green-1", "session",
	"i-0123456789abcdef0", role, "arn:aws:iam::123456789012:user/x", "arn:aws:sts::123456789012:assumed-role/Hosts/x", "arn:aws:codedeploy:eu-central-1:123456789012:application:shop",
	"arn:aws:codedeploy:eu-central-1:123456789012:deploymentgroup:shop/prod", "arn:aws:codedeploy:eu-central-1:123456789012:deploymentconfig:mine",
	"arn:aws:codedeploy:eu-central-1:123456789012:instance/blue-1_0000000008", "arn:aws:sns:eu-central-1:123456789012:topic", "CodeDeployDefault.AllAtOnce",
	"CodeDeployDefault.LambdaAllAtOnce", "colour", "blue", "green", "bundles", "shop.zip", "a/shop", "0123456789012345678901234567890123456789",
	"4d8c3a0f4d8c3a0f4d8c3a0f4d8c3a0f4d8c3a0f4d8c3a0f4d8c3a0f4d8c3a0f", "version: 0.0", "READY_WAIT", "TERMINATION_WAIT", "Succeeded", "Blue", "aws:x", "d-ZZZZZZZZZ",
}

func (c *chooser) text(t reflect.Type) string {
	if values, ok := t.MethodByName("Values"); ok && c.pick(4) < 3 {
		list := values.Func.Call([]reflect.Value{reflect.Zero(t)})[0]
		return list.Index(c.pick(list.Len())).String()
	}
	if i := c.pick(len(words) + len(c.ids)); i < len(words) {
		return words[i]
	} else {
		return c.ids[i-len(words)]
	}
}

// value returns a value as encoding/json writes it.
func (c *chooser) value(t reflect.Type, depth int) any {
	switch t.Kind() {
	case reflect.Pointer:
		return c.value(t.Elem(), depth)
	case reflect.Struct:
		if t == reflect.TypeFor[wire.Time]() {
			return []any{0, 1767323045.006, -1, 1e12, 1767323045}[c.pick(5)]
		}
		out := map[string]any{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			switch c.pick(4) {
			case 0, 1:
				out[name] = c.value(t.Field(i).Type, depth+1)
			case 2:
				out[name] = nil
			}
		}
		return out
	case reflect.Slice:
		out := make([]any, []int{1, 0, 2, 3, 11, 26, 51, 101}[c.pick(8)>>min(depth, 3)])
		for i := range out {
			if c.pick(8) != 7 {
				out[i] = c.value(t.Elem(), depth+1)
			}
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for range c.pick(3) {
			out[c.text(t.Key())] = c.value(t.Elem(), depth+1)
		}
		return out
	case reflect.Bool:
		return c.pick(2) == 1
	case reflect.Int32, reflect.Int64:
		return []int{0, 1, -1, 50, 100, 2880, 2881, 7200, 1 << 31, -1 << 31, 1<<31 - 1}[c.pick(11)]
	default:
		return c.text(t)
	}
}
