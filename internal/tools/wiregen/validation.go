package main

import (
	"fmt"
	"slices"
	"strings"
)

// validation writes Validate for each input, a check method for each constrained structure that inputs are made of, and the constraints of
// each constrained string.
func (g *generator) validation() string {
	var b strings.Builder
	inputs := g.inputs()
	isInput := map[string]bool{}
	for _, op := range g.Operations {
		isInput[op.Input.Shape] = true
	}
	for _, name := range sortedNames(inputs) {
		s := g.Shapes[name]
		switch {
		case s.Type == "string" && g.constrained(name):
			b.WriteString(g.textConstraints(name, s))
		case s.Type == "structure" && g.constrained(name):
			g.checkMethod(&b, name, s)
		}
		if isInput[name] {
			fmt.Fprintf(&b, "// Validate implements wire.Input.\nfunc (s *%s) Validate() []wire.Violation {\n", exported(name))
			if g.constrained(name) {
				b.WriteString("var c wire.Check\ns.check(&c)\nreturn c.Done()\n}\n\n")
			} else {
				b.WriteString("return nil\n}\n\n")
			}
		}
	}
	return b.String()
}

func textName(name string) string { return unexported(name) + "Text" }

func (g *generator) textConstraints(name string, s *shape) string {
	var fields []string
	if s.Min != 0 {
		fields = append(fields, fmt.Sprintf("Min: %d", s.Min))
	}
	if s.Max != 0 {
		fields = append(fields, fmt.Sprintf("Max: %d", s.Max))
	}
	if s.Pattern != "" {
		fields = append(fields, fmt.Sprintf("Pattern: regexp.MustCompile(%q)", s.Pattern))
	}
	if len(s.Enum) > 0 {
		fields = append(fields, "Enum: "+stringList(s.Enum))
	}
	return fmt.Sprintf("var %s = wire.Text{Shape: %q, %s}\n\n", g.claim(textName(name), "constraints of "+name), name, strings.Join(fields, ", "))
}

func (g *generator) checkMethod(b *strings.Builder, name string, s *shape) {
	fmt.Fprintf(b, "func (s *%s) check(c *wire.Check) {\n", exported(name))
	for _, m := range s.Members {
		g.checkMember(b, m, slices.Contains(s.Required, m.name))
	}
	b.WriteString("}\n\n")
}

func (g *generator) checkMember(b *strings.Builder, m member, required bool) {
	if !required && !g.constrained(m.Shape) {
		return
	}
	s, field := g.Shapes[m.Shape], "s."+exported(m.name)
	switch s.Type {
	case "string":
		text := "&" + textName(m.Shape)
		if !g.constrained(m.Shape) {
			text = fmt.Sprintf("&wire.Text{Shape: %q}", m.Shape)
		}
		if g.query() && required {
			// In this protocol an empty string is there, as the empty value of a tag is; the constraints say whether it may be empty.
			fmt.Fprintf(b, "c.Presence(%q, %q, %s != nil)\n", m.wireName(), m.Shape, field)
			required = false
			if !g.constrained(m.Shape) {
				return
			}
		}
		fmt.Fprintf(b, "wire.String(c, %q, %s, %t, %s)\n", m.wireName(), field, required, text)
	case "list", "map":
		size := fmt.Sprintf("wire.Size{Shape: %q", m.Shape)
		if required {
			size += ", Required: true"
		}
		if s.Min != 0 {
			size += fmt.Sprintf(", Min: %d", s.Min)
		}
		if s.Max != 0 {
			size += fmt.Sprintf(", Max: %d", s.Max)
		}
		call := fmt.Sprintf("c.Length(%q, len(%s), %s != nil, %s})", m.wireName(), field, field, size)
		if !g.constrainedInside(s) {
			b.WriteString(call + "\n")
			return
		}
		fmt.Fprintf(b, "if %s {\nc.Enter(%q)\n", call, m.wireName())
		g.checkElements(b, s, field, 0)
		b.WriteString("c.Leave()\n}\n")
	case "structure":
		if required {
			fmt.Fprintf(b, "c.Presence(%q, %q, %s != nil)\n", m.wireName(), m.Shape, field)
		}
		if g.constrained(m.Shape) {
			fmt.Fprintf(b, "if %s != nil {\nc.Enter(%q)\n%s.check(c)\nc.Leave()\n}\n", field, m.wireName(), field)
		}
	default:
		if required {
			fmt.Fprintf(b, "c.Presence(%q, %q, %s != nil)\n", m.wireName(), m.Shape, field)
		}
		if s.Type == "integer" && (s.Min != 0 || s.Max != 0) {
			fmt.Fprintf(b, "wire.Between(c, %q, %s, wire.Range{Shape: %q, Min: %d, Max: %d})\n", m.wireName(), field, m.Shape, s.Min, s.Max)
		}
	}
}

// constrainedInside reports whether the elements of a list or map can break a constraint.
func (g *generator) constrainedInside(s *shape) bool {
	if s.Type == "list" {
		return g.constrained(s.Member.Shape)
	}
	return g.constrained(s.Key.Shape) || g.constrained(s.Value.Shape)
}

// checkElements writes the loop over a list or map; depth keeps the loop variables of nested ones apart.
func (g *generator) checkElements(b *strings.Builder, s *shape, value string, depth int) {
	i := fmt.Sprintf("i%d", depth)
	if s.Type == "list" {
		fmt.Fprintf(b, "for %s := range %s {\nc.EnterIndex(%s)\n", i, value, i)
		g.checkElement(b, s.Member.Shape, value+"["+i+"]", depth)
		b.WriteString("c.LeaveElement()\n}\n")
		return
	}
	fmt.Fprintf(b, "for _, %s := range slices.Sorted(maps.Keys(%s)) {\nc.EnterKey(string(%s))\n", i, value, i)
	g.checkElement(b, s.Key.Shape, i, depth)
	g.checkElement(b, s.Value.Shape, value+"["+i+"]", depth)
	b.WriteString("c.LeaveElement()\n}\n")
}

func (g *generator) checkElement(b *strings.Builder, name, value string, depth int) {
	if !g.constrained(name) {
		return
	}
	s := g.Shapes[name]
	switch s.Type {
	case "string":
		fmt.Fprintf(b, "wire.Element(c, %s, &%s)\n", value, textName(name))
	case "structure":
		// A map's values are no variables, so they are copied before a method with a pointer receiver is called.
		fmt.Fprintf(b, "e%d := %s\ne%d.check(c)\n", depth, value, depth)
	case "list", "map":
		if s.Min != 0 || s.Max != 0 {
			fmt.Fprintf(b, "c.Size(len(%s), wire.Size{Shape: %q, Min: %d, Max: %d})\n", value, name, s.Min, s.Max)
		}
		if g.constrainedInside(s) {
			g.checkElements(b, s, value, depth+1)
		}
	}
}
