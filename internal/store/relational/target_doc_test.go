package relational

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossfade/internal/deploy"
)

// TestTargetDoc holds that a target's document is the one that encoding/json makes, for any target with any fields set.
func TestTargetDoc(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var target deploy.Target
		fill(t, reflect.ValueOf(&target).Elem())
		want := target
		want.Status, want.DueAt = "", time.Time{}
		doc, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendTarget(nil, target)); got != string(doc) {
			t.Fatalf("%s\nwant %s", got, doc)
		}
	})
}

// fill sets any fields of a value to anything.
func fill(t *rapid.T, v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.ValueOf(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]*`)).Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64()).Draw(t, "number"))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Slice:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 4).Draw(t, "length"), 4))
			for i := range v.Len() {
				fill(t, v.Index(i))
			}
		}
	default:
		t.Fatalf("a field of kind %s", v.Kind())
	}
}

func BenchmarkTargetDoc(b *testing.B) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)
	t := deploy.Target{DeploymentID: "d-ABCDEFGHI", ID: "web-00001", ARN: "arn:aws:codedeploy:eu-test-1:000000000000:instance/web-00001_abc", Host: "arn:aws:iam::000000000000:user/host/web-00001", Lane: "originals", UpdatedAt: at}
	for _, n := range []deploy.EventName{"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart", "ValidateService"} {
		t.Events = append(t.Events, deploy.LifecycleEvent{Name: n, Status: "Succeeded", StartedAt: at, EndedAt: at, Diagnostics: &deploy.Diagnostics{ErrorCode: "Success", Message: "Succeeded"}})
	}
	var doc []byte
	b.Run("written out", func(b *testing.B) {
		for b.Loop() {
			doc = appendTarget(doc[:0], t)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			encode(t)
		}
	})
}
