package api

import (
	"reflect"
	"strings"
	"testing"

	"crossfade/internal/awsjson"
	"crossfade/internal/deploy"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

type nobody struct{ control.Service }

// spoil fills a structure with values that break every constraint there is: strings that are too long and in no enum.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		spoil(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[wire.Time]() {
			return
		}
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		spoil(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		spoil(key)
		spoil(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(strings.Repeat("?", 2000))
	}
}

func TestEveryConstraintOfTheModelHasAnExceptionThatTheOperationDeclares(t *testing.T) {
	t.Parallel()
	operations := control.Describe(nobody{}).Operations
	for i := range operations {
		op := &operations[i]
		empty, spoiled := op.New(), op.New()
		spoil(reflect.ValueOf(spoiled).Elem())
		for _, v := range append(empty.Validate(), spoiled.Validate()...) {
			code := explain(op, v)
			if code == awsjson.Validation || !op.Declares(code) {
				t.Errorf("%s: %s breaks %s of %s, and there is no exception for it", op.Name, v.Path, v.Rule, v.Shape)
			}
			if rank(code) == len(precedence) {
				t.Errorf("%s has no place in the order of precedence", code)
			}
		}
	}
}

func TestEveryRefusalOfTheStateMachineHasAnExceptionThatTheOperationDeclares(t *testing.T) {
	t.Parallel()
	declared := map[string]*wire.Operation{}
	operations := control.Describe(nobody{}).Operations
	for i := range operations {
		declared[operations[i].Name] = &operations[i]
	}
	for operation, reasons := range refusals {
		for reason, code := range reasons {
			if !declared[operation].Declares(code) {
				t.Errorf("%s answers %q with %s, which it does not declare", operation, reason, code)
			}
		}
	}
	for _, reason := range []deploy.Reason{deploy.ReasonCompleted, deploy.ReasonNotReady, deploy.ReasonInvalidStatus, deploy.ReasonUnsupported} {
		for _, operation := range []string{"ContinueDeployment", "SkipWaitTimeForInstanceTermination"} {
			if refusals[operation][reason] == "" {
				t.Errorf("%s has no exception for %q", operation, reason)
			}
		}
	}
	err := refused("ContinueDeployment", "d-1", &deploy.Refusal{Reason: deploy.ReasonInvalidStatus, Text: "The state can't be read."})
	if wireErr, ok := err.(*wire.Error); !ok || wireErr.Code != control.InvalidDeploymentStatusException || wireErr.Message != "The state can't be read." {
		t.Errorf("got %v", err)
	}
}

func TestNoProblemIsWithoutAPlaceInTheOrder(t *testing.T) {
	t.Parallel()
	seen := map[wire.Code]bool{}
	for _, code := range precedence {
		if seen[code] {
			t.Errorf("%s stands twice in the order of precedence", code)
		}
		seen[code] = true
	}
	p := &problems{}
	p.add(control.InvalidApplicationNameException, "b")
	p.add(control.RoleRequiredException, "a")
	p.add(control.InvalidTagException, "c")
	if p.first.Code != control.RoleRequiredException {
		t.Errorf("reported %v", p.first)
	}
}
