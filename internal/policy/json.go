package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// node is a value of the document. Unlike a decoded map it knows every key that was written, so that one that is written twice is refused
// instead of one of them being lost.
type node struct {
	kind   byte // '{', '[', 's' text, 'n' number, 'b' true or false, '0' null
	text   string
	keys   []string
	values []node // of an object by keys, or the items of a list
}

func (n node) String() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 's':
		return fmt.Sprintf("the text %.60q", n.text)
	case '0':
		return "null"
	default:
		return n.text
	}
}

const maxDepth = 16

func read(content []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	n, err := readValue(d, 0)
	if err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			line, column := position(content, d.InputOffset())
			return n, fmt.Errorf("the document is not JSON: line %d, column %d: %w", line, column, err)
		}
		return n, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		line, column := position(content, d.InputOffset())
		return n, fmt.Errorf("the document goes on after its end: line %d, column %d", line, column)
	}
	return n, nil
}

func position(content []byte, offset int64) (line, column int) {
	before := content[:min(int(offset), len(content))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

func readValue(d *json.Decoder, depth int) (node, error) {
	t, err := d.Token()
	if err != nil {
		return node{}, err
	}
	if depth > maxDepth {
		return node{}, fmt.Errorf("the document nests deeper than %d", maxDepth)
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return readObject(d, depth)
		}
		return readList(d, depth)
	case string:
		return node{kind: 's', text: t}, nil
	case json.Number:
		return node{kind: 'n', text: t.String()}, nil
	case bool:
		return node{kind: 'b', text: fmt.Sprint(t)}, nil
	default:
		return node{kind: '0'}, nil
	}
}

func readObject(d *json.Decoder, depth int) (node, error) {
	n := node{kind: '{'}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return n, err
		}
		name, _ := key.(string) // the decoder lets no other key through
		if seen[name] {
			return n, fmt.Errorf("the key %.60q is written twice in one object: keep one of them", name)
		}
		seen[name] = true
		value, err := readValue(d, depth+1)
		if err != nil {
			return n, err
		}
		n.keys, n.values = append(n.keys, name), append(n.values, value)
	}
	_, err := d.Token()
	return n, err
}

func readList(d *json.Decoder, depth int) (node, error) {
	n := node{kind: '['}
	for d.More() {
		value, err := readValue(d, depth+1)
		if err != nil {
			return n, err
		}
		n.values = append(n.values, value)
	}
	_, err := d.Token()
	return n, err
}
