package alertmanager

import (
	"slices"
	"strings"
	"testing"
)

func TestSelectors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"HighErrors":                {`alertname="HighErrors"`},
		"5xx of the shop":           {`alertname="5xx of the shop"`},
		`say "hi" \o/`:              {`alertname="say \"hi\" \\o/"`},
		"two\nlines":                {`alertname="two\nlines"`},
		"ends with }":               {`alertname="ends with }"`},
		"HighErrors{}":              {`alertname="HighErrors"`},
		`HighErrors { } `[:14]:      {`alertname="HighErrors"`},
		`HighErrors{service="web"}`: {`alertname="HighErrors"`, `service="web"`},
		`H{ a = "1" ,b!="2", c=~"3|4",d!~"}{,\\\"\n" , }`: {`alertname="H"`, `a="1"`, `b!="2"`, `c=~"3|4"`, `d!~"}{,\\\"\n"`},
		`H{a=""}`: {`alertname="H"`, `a=""`},
	} {
		s, err := parse(text)
		var got []string
		for _, m := range s {
			got = append(got, m.String())
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{
		"":               "names no alert",
		`{a="b"}`:        "names no alert",
		`H{a="b"`:        `no "}" at its end`,
		`H{a="b"} x`:     `no "}" at its end`,
		`H{a=b}`:         `no matcher at "a=b"`,
		`H{a="b" c="d"}`: `no matcher at`,
		`H{,}`:           `no matcher at ","`,
		`H{a="b\"}`:      "no matcher at",
		`H{a="\d"}`:      "no matcher at",
		`H{a-b="c"}`:     "no matcher at",
		`H{a=~"("}`:      "no regular expression",
		"H\xff":          "not UTF-8",
	} {
		if s, err := parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
}

// FuzzSelector holds that what is read can be written so that it is read as the same again.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{"HighErrors", `H{a="1",b=~"2|3"}`, `H{a="\\\"\n"}`, "{", "}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			return
		}
		if s[0].label != "alertname" || s[0].operator != "=" || s[0].value == "" {
			t.Fatalf("%q: the first matcher is %v", text, s[0])
		}
		if strings.ContainsRune(s[0].value, '{') {
			t.Fatalf("%q: the name is %q", text, s[0].value)
		}
		var list []string
		for _, m := range s[1:] {
			list = append(list, m.String())
		}
		again, err := parse(s[0].value + "{" + strings.Join(list, ", ") + "}")
		if err == nil && strings.TrimSpace(s[0].value) == s[0].value && !slices.Equal(s, again) || err != nil && strings.TrimSpace(s[0].value) != "" {
			t.Fatalf("%q: %v is read again as %v, %v", text, s, again, err)
		}
	})
}
