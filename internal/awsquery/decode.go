package awsquery

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"crossfade/internal/wire"
)

// Decode reads a form into a generated input structure.
//
// Unknown parameters are ignored, and names are matched exactly. The elements of a list count in the order of their numbers, which begin with 1 and
// may have gaps; a list parameter with an empty value is an empty list. Whatever does not have the form of its type is refused, with the
// parameter's path and what was expected. A refusal is a *wire.Error with the code MalformedInput.
func Decode(form Form, into any) error {
	root, err := tree(form)
	if err != nil {
		return err
	}
	return structure("", root, reflect.ValueOf(into).Elem())
}

func structure(path string, n *node, into reflect.Value) error {
	for name, i := range fieldsOf(into.Type()) {
		kid := n.kids[name]
		if kid == nil {
			continue
		}
		at := name
		if path != "" {
			at = path + "." + name
		}
		if err := value(at, kid, into.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// value reads any value into a field or a list element.
func value(path string, n *node, into reflect.Value) error {
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	switch {
	case into.Kind() == reflect.Slice:
		return list(path, n, into)
	case into.Kind() == reflect.Struct && into.Type() != timeType:
		if n.given && n.kids == nil {
			return malformed("the parameter %s is text, and members such as %s.Name are expected", clip(path), clip(path))
		}
		return structure(path, n, into)
	case n.kids != nil:
		return malformed("the parameter %s has members, and one value is expected", clip(path))
	default:
		return scalar(path, n.value, into)
	}
}

func list(path string, n *node, into reflect.Value) error {
	members := n.kids["member"]
	if n.given && n.value != "" || len(n.kids) > 0 && (len(n.kids) > 1 || members == nil) || members != nil && members.given {
		return malformed("the parameter %s is no list: write %s.member.1 and so on", clip(path), clip(path))
	}
	into.Set(reflect.MakeSlice(into.Type(), 0, 0))
	if members == nil {
		return nil
	}
	numbers := make([]int, 0, len(members.kids))
	for name := range members.kids {
		i, err := strconv.Atoi(name)
		if err != nil || i < 1 || strconv.Itoa(i) != name {
			return malformed("%q is no number of an element of %s: they count from 1", clip(name), clip(path))
		}
		numbers = append(numbers, i)
	}
	slices.Sort(numbers)
	into.Set(reflect.MakeSlice(into.Type(), len(numbers), len(numbers)))
	for i, number := range numbers {
		name := strconv.Itoa(number)
		if err := value(path+".member."+name, members.kids[name], into.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

var timeType = reflect.TypeFor[wire.Time]()

func scalar(path, text string, into reflect.Value) error {
	expected := func(what string) error {
		return malformed("the parameter %s is %q, and %s is expected", clip(path), clip(text), what)
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return expected("true or false")
		}
		into.SetBool(text == "true")
	case reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(text, 10, into.Type().Bits())
		if err != nil {
			return expected(fmt.Sprintf("an integer of %d bits", into.Type().Bits()))
		}
		into.SetInt(i)
	case reflect.Struct:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return expected("a time such as 2026-01-02T03:04:05Z")
		}
		into.Set(reflect.ValueOf(wire.Time{Time: at.UTC()}))
	default:
		return fmt.Errorf("decode the parameter %s: no rule for the Go type %s", path, into.Type())
	}
	return nil
}
