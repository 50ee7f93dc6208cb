package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"crossfade/internal/wire"
)

// maxDepth bounds the nesting of a body. The deepest input of a known model has six levels; more only costs memory.
const maxDepth = 32

// usualDepth is how deep most bodies are.
const usualDepth = 4

// Decode reads a body into a generated input structure.
//
// An empty body is an empty object. Unknown members are ignored, null means absent (in a list: the zero value), of a member given twice the
// last counts, and member names are matched exactly. Whatever has another JSON type than the model says is refused, with the member's path
// and what was expected; so is text after the object, nesting deeper than 32 levels, and a string that is not valid UTF-8. A refusal is a
// *wire.Error with the code Serialization.
func Decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if !utf8.Valid(body) {
		return refuse("the body is not valid UTF-8")
	}
	// The reader knows nothing of syntax, so that is settled first, as a whole.
	if !json.Valid(body) {
		return syntaxError(body)
	}
	d := decoder{reader: reader{body: body}, path: make([]step, 0, usualDepth)}
	if d.peek() != '{' {
		return refuse("the body is " + d.kind() + ", and a JSON object is expected")
	}
	return d.object(reflect.ValueOf(into).Elem())
}

func refuse(message string) error { return &wire.Error{Code: Serialization, Message: message} }

func syntaxError(body []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(body, &raw)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return refuse(fmt.Sprintf("the body is not JSON: %v, at byte %d", syntax, syntax.Offset))
	}
	return refuse("the body is not JSON")
}

// step is one on the way to a value in the body. Steps are only spelled out when there is something to say about the value.
type step struct {
	form stepForm
	name string // of a member, or a map's key
	at   int    // in a list
}

type stepForm uint8

const (
	stepMember stepForm = iota
	stepIndex
	stepKey
)

// decoder reads a body into structures. Where it is in the structure is a stack, as deep as the nesting.
type decoder struct {
	reader
	path []step
}

func (d *decoder) enter(s step) { d.path = append(d.path, s) }

func (d *decoder) leave() { d.path = d.path[:len(d.path)-1] }

// where spells the path out.
func (d *decoder) where() string {
	s := ""
	for i, step := range d.path {
		switch step.form {
		case stepIndex:
			s += "[" + strconv.Itoa(step.at) + "]"
		case stepKey:
			s += "[" + step.name + "]"
		default:
			if i > 0 {
				s += "."
			}
			s += step.name
		}
		const most = 200
		if len(s) > most {
			s = strings.ToValidUTF8(s[:most], "") + "…"
		}
	}
	return s
}

// expected refuses the value that comes next.
func (d *decoder) expected(what string) error {
	return refuse(fmt.Sprintf("member %s: expected %s, found %s", d.where(), what, d.kind()))
}

// kind names the value that comes next, for a message.
func (d *decoder) kind() string {
	switch d.peek() {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	default:
		return "the number " + clip(d.number())
	}
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// object reads an object whose opening brace comes next.
func (d *decoder) object(into reflect.Value) error {
	if len(d.path) >= maxDepth {
		return tooDeep()
	}
	fields := fieldsOf(into.Type())
	d.open()
	for d.more() {
		raw, escaped := d.text()
		f, known := fields[string(raw)]
		if escaped {
			f, known = fields[unquote(raw)]
		}
		d.colon()
		if !known {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		field := into.Field(f.index)
		field.SetZero()
		d.enter(step{form: stepMember, name: f.name})
		if err := d.value(field); err != nil {
			return err
		}
		d.leave()
	}
	return nil
}

func tooDeep() error {
	return refuse(fmt.Sprintf("the body is nested deeper than %d levels", maxDepth))
}

// skip reads over a member's value that nobody asked for.
func (d *decoder) skip() error {
	if !d.over(maxDepth - len(d.path) - 1) {
		return tooDeep()
	}
	return nil
}

// value reads any value into a field, a list element or a map value.
func (d *decoder) value(into reflect.Value) error {
	first := d.peek()
	if first == 'n' {
		d.literal()
		return nil
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	switch into.Kind() {
	case reflect.Struct:
		if into.Type() == timeType {
			return d.timestamp(into)
		}
		if first != '{' {
			return d.expected("an object")
		}
		return d.object(into)
	case reflect.Slice:
		if first != '[' {
			return d.expected("a list")
		}
		return d.list(into)
	case reflect.Map:
		if first != '{' {
			return d.expected("an object")
		}
		return d.entries(into)
	default:
		return d.scalar(into)
	}
}

// list reads a list whose opening bracket comes next.
func (d *decoder) list(into reflect.Value) error {
	if len(d.path) >= maxDepth {
		return tooDeep()
	}
	into.Set(reflect.MakeSlice(into.Type(), 0, 0))
	zero := reflect.Zero(into.Type().Elem())
	d.open()
	for i := 0; d.more(); i++ {
		into.Set(reflect.Append(into, zero))
		d.enter(step{form: stepIndex, at: i})
		if err := d.value(into.Index(i)); err != nil {
			return err
		}
		d.leave()
	}
	return nil
}

// entries reads an object whose members' names are data.
func (d *decoder) entries(into reflect.Value) error {
	if len(d.path) >= maxDepth {
		return tooDeep()
	}
	t := into.Type()
	into.Set(reflect.MakeMap(t))
	d.open()
	for d.more() {
		raw, _ := d.text()
		name := unquote(raw)
		d.colon()
		v := reflect.New(t.Elem()).Elem()
		d.enter(step{form: stepKey, name: name})
		if err := d.value(v); err != nil {
			return err
		}
		d.leave()
		into.SetMapIndex(reflect.ValueOf(name).Convert(t.Key()), v)
	}
	return nil
}

var timeType = reflect.TypeFor[wire.Time]()

func (d *decoder) timestamp(into reflect.Value) error {
	if !numeric(d.peek()) {
		return d.expected("a timestamp as a number of seconds")
	}
	t, err := wire.ParseTime(d.number())
	if err != nil {
		return refuse(fmt.Sprintf("member %s: %v", d.where(), err))
	}
	into.Set(reflect.ValueOf(t))
	return nil
}

func (d *decoder) scalar(into reflect.Value) error {
	first, begin := d.peek(), d.at
	// What is wrong with a value is said of it as a whole.
	wrong := func(what string) error {
		d.at = begin
		return d.expected(what)
	}
	switch into.Kind() {
	case reflect.String:
		if first != '"' {
			return wrong("a string")
		}
		raw, escaped := d.text()
		if escaped {
			into.SetString(unquote(raw))
		} else {
			into.SetString(string(raw))
		}
	case reflect.Bool:
		if first != 't' && first != 'f' {
			return wrong("a boolean")
		}
		d.literal()
		into.SetBool(first == 't')
	case reflect.Int32, reflect.Int64:
		if !numeric(first) {
			return wrong("an integer")
		}
		i, ok := integer(d.number())
		if !ok || into.OverflowInt(i) {
			return wrong(fmt.Sprintf("an integer of %d bits", into.Type().Bits()))
		}
		into.SetInt(i)
	case reflect.Float64:
		if !numeric(first) {
			return wrong("a number")
		}
		f, err := strconv.ParseFloat(d.number(), 64)
		if err != nil {
			return wrong("a number within the range of a double")
		}
		into.SetFloat(f)
	default:
		return fmt.Errorf("decode member %s: no rule for the Go type %s", d.where(), into.Type())
	}
	return nil
}

// integer reads a JSON number that has an integral value, 5 and 5.0 alike.
func integer(s string) (int64, bool) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(s, 64)
	// Beyond 2^53 a float no longer says which integer was meant.
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}
