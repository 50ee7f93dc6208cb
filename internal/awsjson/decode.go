package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"crossfade/internal/wire"
)

// maxDepth bounds the nesting of a body. The deepest input of a known model has six levels; more only costs memory.
const maxDepth = 32

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
	// The token reader below is lenient in corners, so the syntax is settled first, as a whole.
	if !json.Valid(body) {
		return syntaxError(body)
	}
	d := decoder{json.NewDecoder(bytes.NewReader(body))}
	d.UseNumber()
	tok, err := d.Token()
	if err != nil {
		return refuse("the body cannot be read as JSON: " + err.Error())
	}
	if tok != json.Delim('{') {
		return refuse("the body is " + kind(tok) + ", and a JSON object is expected")
	}
	return d.object(&where{}, reflect.ValueOf(into).Elem())
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

// where is the place of a value in the body: a chain that is only spelled out when there is something to say about it.
type where struct {
	up    *where
	step  string
	depth int
}

func (w *where) member(name string) *where {
	if w.depth > 0 {
		name = "." + name
	}
	return &where{up: w, step: name, depth: w.depth + 1}
}

func (w *where) index(i int) *where {
	return &where{up: w, step: "[" + strconv.Itoa(i) + "]", depth: w.depth + 1}
}

func (w *where) key(k string) *where { return &where{up: w, step: "[" + k + "]", depth: w.depth + 1} }

func (w *where) String() string {
	if w.up == nil {
		return w.step
	}
	s := w.up.String() + w.step
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func (w *where) expected(what string, tok json.Token) error {
	return refuse(fmt.Sprintf("member %s: expected %s, found %s", w, what, kind(tok)))
}

// kind names a JSON value for a message.
func kind(tok json.Token) string {
	switch v := tok.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		return "the number " + clip(v.String())
	case json.Delim:
		if v == '{' {
			return "an object"
		}
		return "a list"
	}
	return "something else"
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

type decoder struct{ *json.Decoder }

// next reads a token. The syntax was checked before, so that an error here is a fault of this package.
func (d decoder) next() (json.Token, error) {
	tok, err := d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read a token of a valid body: %w", err)
	}
	return tok, nil
}

// object reads the members of an object whose opening brace is read already.
func (d decoder) object(w *where, into reflect.Value) error {
	if w.depth >= maxDepth {
		return tooDeep()
	}
	fields := fieldsOf(into.Type())
	for d.More() {
		name, err := d.next()
		if err != nil {
			return err
		}
		text, _ := name.(string)
		at := w.member(text)
		i, known := fields[text]
		if !known {
			if err := d.skip(at); err != nil {
				return err
			}
			continue
		}
		field := into.Field(i)
		field.SetZero()
		if err := d.value(at, field); err != nil {
			return err
		}
	}
	_, err := d.next()
	return err
}

func tooDeep() error {
	return refuse(fmt.Sprintf("the body is nested deeper than %d levels", maxDepth))
}

// skip reads over a value that nobody asked for.
func (d decoder) skip(w *where) error {
	depth := 0
	for {
		tok, err := d.next()
		if err != nil {
			return err
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			if depth++; w.depth+depth > maxDepth {
				return tooDeep()
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// value reads any value into a field, a list element or a map value.
func (d decoder) value(w *where, into reflect.Value) error {
	tok, err := d.next()
	if err != nil || tok == nil {
		return err
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	switch into.Kind() {
	case reflect.Struct:
		if into.Type() == timeType {
			return timestamp(w, into, tok)
		}
		if tok != json.Delim('{') {
			return w.expected("an object", tok)
		}
		return d.object(w, into)
	case reflect.Slice:
		if tok != json.Delim('[') {
			return w.expected("a list", tok)
		}
		return d.list(w, into)
	case reflect.Map:
		if tok != json.Delim('{') {
			return w.expected("an object", tok)
		}
		return d.entries(w, into)
	default:
		return scalar(w, into, tok)
	}
}

func (d decoder) list(w *where, into reflect.Value) error {
	if w.depth >= maxDepth {
		return tooDeep()
	}
	into.Set(reflect.MakeSlice(into.Type(), 0, 0))
	zero := reflect.Zero(into.Type().Elem())
	for i := 0; d.More(); i++ {
		into.Set(reflect.Append(into, zero))
		if err := d.value(w.index(i), into.Index(i)); err != nil {
			return err
		}
	}
	_, err := d.next()
	return err
}

func (d decoder) entries(w *where, into reflect.Value) error {
	if w.depth >= maxDepth {
		return tooDeep()
	}
	t := into.Type()
	into.Set(reflect.MakeMap(t))
	for d.More() {
		name, err := d.next()
		if err != nil {
			return err
		}
		text, _ := name.(string)
		v := reflect.New(t.Elem()).Elem()
		if err := d.value(w.key(text), v); err != nil {
			return err
		}
		into.SetMapIndex(reflect.ValueOf(text).Convert(t.Key()), v)
	}
	_, err := d.next()
	return err
}

var timeType = reflect.TypeFor[wire.Time]()

func timestamp(w *where, into reflect.Value, tok json.Token) error {
	n, ok := tok.(json.Number)
	if !ok {
		return w.expected("a timestamp as a number of seconds", tok)
	}
	t, err := wire.ParseTime(n.String())
	if err != nil {
		return refuse(fmt.Sprintf("member %s: %v", w, err))
	}
	into.Set(reflect.ValueOf(t))
	return nil
}

func scalar(w *where, into reflect.Value, tok json.Token) error {
	switch into.Kind() {
	case reflect.String:
		s, ok := tok.(string)
		if !ok {
			return w.expected("a string", tok)
		}
		into.SetString(s)
	case reflect.Bool:
		b, ok := tok.(bool)
		if !ok {
			return w.expected("a boolean", tok)
		}
		into.SetBool(b)
	case reflect.Int32, reflect.Int64:
		n, ok := tok.(json.Number)
		if !ok {
			return w.expected("an integer", tok)
		}
		i, ok := integer(n.String())
		if !ok || into.OverflowInt(i) {
			return w.expected(fmt.Sprintf("an integer of %d bits", into.Type().Bits()), tok)
		}
		into.SetInt(i)
	case reflect.Float64:
		n, ok := tok.(json.Number)
		if !ok {
			return w.expected("a number", tok)
		}
		f, err := n.Float64()
		if err != nil {
			return w.expected("a number within the range of a double", tok)
		}
		into.SetFloat(f)
	default:
		return fmt.Errorf("decode member %s: no rule for the Go type %s", w, into.Type())
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
