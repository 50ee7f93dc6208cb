package awsjson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"crossfade/internal/awsjson"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
	"crossfade/internal/wire/host"
)

func TestDecodeSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"applicationName":true}`:                      "member applicationName: expected a string, found a boolean",
		`{"ec2TagFilters":{}}`:                          "member ec2TagFilters: expected a list, found an object",
		`{"ec2TagFilters":[{"Key":"a"},{"Key":["b"]}]}`: "member ec2TagFilters[1].Key: expected a string, found a list",
		`{"ec2TagSet":{"ec2TagSetList":[[],[3]]}}`:      "member ec2TagSet.ec2TagSetList[1][0]: expected an object, found the number 3",
		`{"terminationHookEnabled":"true"}`:             "member terminationHookEnabled: expected a boolean, found a string",
		`{"deploymentStyle":"BLUE_GREEN"}`:              "member deploymentStyle: expected an object, found a string",
		`{"blueGreenDeploymentConfiguration":{"deploymentReadyOption":{"waitTimeInMinutes":1.5}}}`:         "found the number 1.5",
		`{"blueGreenDeploymentConfiguration":{"deploymentReadyOption":{"waitTimeInMinutes":99999999999}}}`: "expected an integer of 32 bits",
		`{"blueGreenDeploymentConfiguration":{"deploymentReadyOption":{"waitTimeInMinutes":"5"}}}`:         "expected an integer, found a string",
		`{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`:                                  "nested deeper than 32 levels",
		`{"ec2TagSet":{"ec2TagSetList":[[{"Key":"` + strings.Repeat("ä", 10) + `"},{"Key":-12.50e3}]]}}`:   "ec2TagSetList[0][1].Key: expected a string, found the number -12.50e3",
		`{"applicationName":` + strings.Repeat("1", 50) + `}`:                                              "found the number " + strings.Repeat("1", 40) + "…",
		`{"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`:                                  "nested deeper than 32 levels",
		`{"x":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat("}", 40) + `}`:                        "nested deeper than 32 levels",
		"{\"applicationName\":\"\xff\"}":                                                                   "not valid UTF-8",
		`{"applicationName":"a",}`:                                                                         "not JSON",
		`{"applicationName":"a"} x`:                                                                        "not JSON",
		`null`:                                                                                             "the body is null",
		`7`:                                                                                                "the body is the number 7",
		` "x"`:                                                                                             "the body is a string",
		`false `:                                                                                           "the body is a boolean",
		`[{}]`:                                                                                             "the body is a list",
	} {
		err := awsjson.Decode([]byte(body), &control.CreateDeploymentGroupInput{})
		wireErr, ok := err.(*wire.Error)
		if !ok || wireErr.Code != awsjson.Serialization || !strings.Contains(wireErr.Message, want) {
			t.Errorf("%.80s: got %v, want %q", body, err, want)
		}
	}
}

func TestDecodeReadsWhatIsJustNotTooDeep(t *testing.T) {
	t.Parallel()
	body := `{"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`
	if err := awsjson.Decode([]byte(body), &control.CreateDeploymentGroupInput{}); err != nil {
		t.Error(err)
	}
}

func TestDecodeKeepsAbsentEmptyAndZeroApart(t *testing.T) {
	t.Parallel()
	var in control.UpdateDeploymentGroupInput
	body := `{"applicationName":"","ec2TagFilters":[],"triggerConfigurations":null,"terminationHookEnabled":false,
		"alarmConfiguration":{},"loadBalancerInfo":null,
		"blueGreenDeploymentConfiguration":{"deploymentReadyOption":{"waitTimeInMinutes":5.0}},
		"autoScalingGroups":["a",null],"autoScalingGroups":["b",null]}`
	if err := awsjson.Decode([]byte(body), &in); err != nil {
		t.Fatal(err)
	}
	want := control.UpdateDeploymentGroupInput{
		ApplicationName: new(""), Ec2TagFilters: []control.EC2TagFilter{}, TerminationHookEnabled: new(false),
		AlarmConfiguration: &control.AlarmConfiguration{},
		BlueGreenDeploymentConfiguration: &control.BlueGreenDeploymentConfiguration{
			DeploymentReadyOption: &control.DeploymentReadyOption{WaitTimeInMinutes: new(int32(5))},
		},
		AutoScalingGroups: []string{"b", ""},
	}
	if !reflect.DeepEqual(in, want) {
		t.Errorf("got %+v", in)
	}
}

func TestDecodeReadsMapsAndTimes(t *testing.T) {
	t.Parallel()
	var list control.ListDeploymentsInput
	if err := awsjson.Decode([]byte(`{"createTimeRange":{"start":1446744188.711,"end":null}}`), &list); err != nil {
		t.Fatal(err)
	}
	if r := list.CreateTimeRange; r == nil || r.Start == nil || r.Start.UnixMilli() != 1446744188711 || r.End != nil {
		t.Errorf("got %+v", list.CreateTimeRange)
	}
	if err := awsjson.Decode([]byte(`{"createTimeRange":{"start":"2016-07-07"}}`), &list); err == nil || !strings.Contains(err.Error(), "createTimeRange.start") {
		t.Errorf("got %v", err)
	}
	var targets control.ListDeploymentTargetsInput
	if err := awsjson.Decode([]byte(`{"targetFilters":{"TargetStatus":["Ready"],"Other":null}}`), &targets); err != nil {
		t.Fatal(err)
	}
	want := map[control.TargetFilterName][]string{"TargetStatus": {"Ready"}, "Other": nil}
	if !reflect.DeepEqual(targets.TargetFilters, want) {
		t.Errorf("got %+v", targets.TargetFilters)
	}
}

func TestDecodeReadsTextAsEncodingJSONDoes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`""`, `"plain"`, `"a\"b\\c\/d\be\ff\ng\rh\ti"`, `"\u00e4\u00C4\u4e16\uD83D\uDE00 ä世😀"`, `"\ud800"`, `"\ud800\ud800\udc00"`, `"\ud800\n"`, `"\udc00\ud800x"`,
		`"\ud800\u0041"`, `"\ud8000000"`, `"\\"`, `"\\\""`, `"{\"a\":[1,\"]\"]}"`, `"\u0000\u001f\u2028"`,
	} {
		var want string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		var in control.GetApplicationInput
		// The text stands in what nobody asked for, in a name and in a member.
		body := " {\t\"x\" : [ " + text + ",{" + text + ":-1.5e+3 , \"y\":[true,false,null]}] ,\r\n" + text + ":[ ] , \"application\\u004eame\" : " + text + " } "
		if err := awsjson.Decode([]byte(body), &in); err != nil || in.ApplicationName == nil || *in.ApplicationName != want {
			t.Errorf("%s: got %v, %v, want %q", text, in.ApplicationName, err, want)
		}
	}
}

// Only the descriptions of these are used.
type (
	anyControl struct{ control.Service }
	anyHost    struct{ host.Service }
)

// Whatever is accepted survives being written and read again; whatever is refused is refused as a serialisation fault, and nothing panics.
func FuzzDecode(f *testing.F) {
	operations := append(control.Describe(anyControl{}).Operations, host.Describe(anyHost{}).Operations...)
	for i, body := range []string{
		``, `{}`, `null`, `[]`, `{"deploymentId":"d-AB1CDEF23","deploymentWaitType":"READY_WAIT"}`,
		`{"createTimeRange":{"start":1446744188.711,"end":1e9}}`, `{"targetFilters":{"TargetStatus":["Ready",null]}}`,
		`{"ec2TagSet":{"ec2TagSetList":[[{"Key":"a"}],null,[]]}}`, `{"minimumHealthyHosts":{"value":1.0,"type":"HOST_COUNT"}}`,
		`{"HostCommandIdentifier":"x","Diagnostics":{"Format":"JSON","Payload":"\ud800"}}`, `{"a":[[[[[[{}]]]]]]}`,
		`{"applicationName":"\u0000","applicationName":null}`, `{"EstimatedCompletionTime":-62135596800}`,
	} {
		f.Add(uint8(i*7), []byte(body))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		op := operations[int(which)%len(operations)]
		in := op.New()
		if err := awsjson.Decode(body, in); err != nil {
			if wireErr, ok := err.(*wire.Error); !ok || wireErr.Code != awsjson.Serialization || wireErr.Message == "" {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		in.Validate()
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		again := op.New()
		if err := awsjson.Decode(text, again); err != nil {
			t.Fatalf("decode %s: %v", text, err)
		}
		textAgain, err := json.Marshal(again)
		if err != nil || string(text) != string(textAgain) {
			t.Fatalf("%s became %s (%v)", text, textAgain, err)
		}
	})
}
