package awsquery

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"crossfade/internal/wire"
)

// maxParameters bounds the parameters of a form, and maxDepth the steps of a parameter's path. The largest input of a known model has some hundred
// parameters of four steps; more only costs memory.
const (
	maxParameters = 4096
	maxDepth      = 32
)

// Form is the parameters of a call, each once.
type Form map[string]string

// Parse reads a form. A parameter that is given twice is refused, since two readers could take it for different calls; so is text that is not valid
// UTF-8. A refusal is a *wire.Error with the code MalformedInput.
func Parse(text string) (Form, error) {
	if n := strings.Count(text, "&") + 1; n > maxParameters {
		return nil, malformed("the form has %d parameters, and at most %d are allowed", n, maxParameters)
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, malformed("the form cannot be read: %s", clip(err.Error()))
	}
	form := make(Form, len(values))
	for name, given := range values {
		switch {
		case len(given) > 1:
			return nil, malformed("the parameter %s is given %d times", clip(name), len(given))
		case !utf8.ValidString(name) || !utf8.ValidString(given[0]):
			return nil, malformed("the parameter %q is not valid UTF-8", clip(name))
		}
		form[name] = given[0]
	}
	return form, nil
}

func malformed(format string, args ...any) error {
	return &wire.Error{Code: MalformedInput, Message: "The request cannot be read: " + fmt.Sprintf(format, args...) + "."}
}

func clip(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// node is what the parameters whose paths begin alike say: a value, or members.
type node struct {
	value string
	given bool
	kids  map[string]*node
}

// tree puts the parameters in the places that their paths name.
func tree(form Form) (*node, error) {
	root := &node{}
	for path, value := range form {
		if strings.Count(path, ".") >= maxDepth {
			return nil, malformed("the path of a parameter has more than %d steps", maxDepth)
		}
		n := root
		for step := range strings.SplitSeq(path, ".") {
			if n.kids == nil {
				n.kids = map[string]*node{}
			}
			next := n.kids[step]
			if next == nil {
				next = &node{}
				n.kids[step] = next
			}
			n = next
		}
		n.value, n.given = value, true
	}
	return root, nil
}
