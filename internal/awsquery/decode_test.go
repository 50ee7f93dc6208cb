package awsquery_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"crossfade/internal/awsquery"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
	wirests "crossfade/internal/wire/sts"
)

func parse(t testing.TB, text string) awsquery.Form {
	t.Helper()
	form, err := awsquery.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// every has a member of each type that a query protocol knows.
type every struct {
	Text  *string    `query:"Text"`
	Flag  *bool      `query:"Flag"`
	Small *int32     `query:"Small"`
	Large *int64     `query:"Large"`
	At    *wire.Time `query:"At"`
	List  []string   `query:"List"`
	Deep  *every     `query:"Deep"`
	Many  []every    `query:"Many"`
	Other string
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tags := func(tags ...wireiam.Tag) *wireiam.CreateUserRequest {
		return &wireiam.CreateUserRequest{UserName: new("bob"), Tags: tags}
	}
	for text, want := range map[string]any{
		"":                        &every{},
		"Unknown=x&Unknown.a.b=y": &every{},
		"Other=x":                 &every{},
		"Text=":                   &every{Text: new("")},
		"Text=a%2Bb+%C3%A9%00":    &every{Text: new("a+b é\x00")},
		"Flag=true&Small=-5":      &every{Flag: new(true), Small: new(int32(-5))},
		"Large=9007199254740993":  &every{Large: new(int64(9007199254740993))},
		"At=2026-01-02T03:04:05Z": &every{At: &wire.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
		"List=":                   &every{List: []string{}},
		"List.member.1=":          &every{List: []string{""}},
		"List.member.10=b&List.member.9=a&List.member.11=c": &every{List: []string{"a", "b", "c"}},
		"Deep.Deep.Text=x": &every{Deep: &every{Deep: &every{Text: new("x")}}},
		"Many.member.1.List.member.1=x&Many.member.3.Flag=false": &every{Many: []every{{List: []string{"x"}}, {Flag: new(false)}}},
		"Tags.member.1.Value=&UserName=bob&Tags.member.1.Key=a":  tags(wireiam.Tag{Key: new("a"), Value: new("")}),
		"PolicyArns.member.1.arn=x&RoleArn=r":                    &wirests.AssumeRoleRequest{RoleArn: new("r"), PolicyArns: []wirests.PolicyDescriptorType{{Arn: new("x")}}},
	} {
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		if err := awsquery.Decode(parse(t, text), got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestWhatIsNoFormOrNotOfItsType(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"%zz=1":                         "cannot be read",
		"a;b=1":                         "cannot be read",
		"a=1&a=2":                       "the parameter a is given 2 times",
		"a=%ff":                         "is not valid UTF-8",
		strings.Repeat("a&", 5000):      "has 5001 parameters",
		strings.Repeat("a.", 40) + "=1": "more than 32 steps",
		"Text.a=1":                      "the parameter Text has members, and one value is expected",
		"Flag=True":                     `the parameter Flag is "True", and true or false is expected`,
		"Small=2147483648":              "an integer of 32 bits",
		"Small=":                        "an integer of 32 bits",
		"Small=1.5":                     "an integer of 32 bits",
		"At=yesterday":                  "a time such as",
		"List=x":                        "the parameter List is no list: write List.member.1",
		"List.1=x":                      "is no list",
		"List.member=x":                 "is no list",
		"List.member.1=x&List.other=1":  "is no list",
		"List.member.0=x":               `"0" is no number of an element of List: they count from 1`,
		"List.member.01=x":              `"01" is no number`,
		"List.member.-1=x":              `"-1" is no number`,
		"List.member.1.a=x":             "the parameter List.member.1 has members",
		"Deep=x":                        "the parameter Deep is text, and members such as Deep.Name are expected",
		"Many.member.1=x":               "the parameter Many.member.1 is text",
		"Many.member.2.Deep.Small=x":    `the parameter Many.member.2.Deep.Small is "x"`,
		"Text=" + strings.Repeat("x", 500) + "&Text.a=1": "the parameter Text has members",
	} {
		form, err := awsquery.Parse(text)
		if err == nil {
			err = awsquery.Decode(form, &every{})
		}
		var refused *wire.Error
		if !errors.As(err, &refused) || refused.Code != awsquery.MalformedInput || !strings.Contains(refused.Message, want) || len(refused.Message) > 500 {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
}

// A type that is no part of the protocol is a defect of ours, and is not told to the caller as theirs.
func TestATypeThatIsUnknown(t *testing.T) {
	t.Parallel()
	var in struct {
		F *float64 `query:"F"`
	}
	err := awsquery.Decode(parse(t, "F=1"), &in)
	var refused *wire.Error
	if err == nil || errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

func TestViolated(t *testing.T) {
	t.Parallel()
	in := &wireiam.CreateUserRequest{Path: new("x"), Tags: []wireiam.Tag{{Key: new("a"), Value: new("")}, {Key: new("b")}}}
	want := "ValidationError: 3 validation errors detected: Value at 'userName' failed to satisfy constraint: Member must not be null; " +
		"Value at 'path' failed to satisfy constraint: Member does not match the pattern "
	err := awsquery.Violated(in.Validate())
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "Value at 'tags[1].value' failed to satisfy constraint: Member must not be null") {
		t.Errorf("got %v", err)
	}
	if err := awsquery.Violated(nil); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}

type (
	anyIAM struct{ wireiam.Service }
	anySTS struct{ wirests.Service }
)

// FuzzDecode: whatever is refused is refused as malformed; whatever is accepted is what it is again when it is written in the same words, and
// nothing panics.
func FuzzDecode(f *testing.F) {
	operations := append(wireiam.Describe(anyIAM{}).Operations, wirests.Describe(anySTS{}).Operations...)
	for i, text := range []string{
		"", "Action=CreateUser&Version=2010-05-08&UserName=bob&Tags.member.1.Key=a&Tags.member.1.Value=b", "Tags=", "Tags.member.2.Key=a&Tags.member.1=x",
		"RoleArn=arn%3Aaws&RoleSessionName=me&DurationSeconds=900&PolicyArns.member.1.arn=x", "MaxItems=-0&Marker=%00", "a.b.c.d=1&a=2&a.b=3", "=&.=&..=1", "UserName=%ff",
	} {
		f.Add(uint8(i), text)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		op := operations[int(which)%len(operations)]
		in, again := op.New(), op.New()
		form, err := awsquery.Parse(text)
		if err == nil {
			err = awsquery.Decode(form, in)
		}
		if err != nil {
			var refused *wire.Error
			if !errors.As(err, &refused) || refused.Code != awsquery.MalformedInput || refused.Message == "" {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if err := awsquery.Violated(in.Validate()); err != nil && !strings.Contains(err.Error(), "detected: Value at '") {
			t.Fatalf("broken constraints are told as %v", err)
		}
		if err := awsquery.Decode(form, again); err != nil {
			t.Fatalf("decoded again: %v", err)
		}
		if !reflect.DeepEqual(in, again) {
			t.Fatalf("%+v became %+v", in, again)
		}
	})
}
