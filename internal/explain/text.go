package explain

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// WriteText writes the chain for people.
func (x Explanation) WriteText(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "deployment %s (%s, %s) is %s\n", x.DeploymentID, x.Application, x.Group, x.Status)
	fmt.Fprintf(&b, "  %s\n", x.Summary)
	if x.ErrorCode != "" {
		fmt.Fprintf(&b, "  %s: %s\n", x.ErrorCode, x.ErrorMessage)
	}
	for _, a := range x.Arithmetic {
		fmt.Fprintf(&b, "\n%s environment, %s: %s\n", a.Environment, stageWords[a.Stage], a.Sentence)
		for _, f := range x.Failures {
			if f.Stage == a.Stage && f.Environment == a.Environment {
				f.write(&b)
			}
		}
	}
	if len(x.Waiting) > 0 {
		b.WriteString("\nwaits for\n")
	}
	for _, t := range x.Waiting {
		fmt.Fprintf(&b, "  %s", t.For)
		if t.Until != nil {
			fmt.Fprintf(&b, " (given up at %s)", t.Until.Format(time.RFC3339))
		}
		b.WriteByte('\n')
	}
	if x.Rollback != "" {
		fmt.Fprintf(&b, "\nrollback\n  %s\n", x.Rollback)
	}
	for i, m := range x.Messages {
		if i == 0 {
			b.WriteString("\nmessages\n")
		}
		fmt.Fprintf(&b, "  %s\n", m)
	}
	for i, n := range x.Next {
		if i == 0 {
			b.WriteString("\nwhat to do next\n")
		}
		fmt.Fprintf(&b, "  %s\n", n)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (f Failure) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "  instance %s\n    %s failed: %s\n", f.Instance, f.Event, f.Says)
	if f.Message != "" {
		fmt.Fprintf(b, "    %s: %s\n", f.ErrorCode, f.Message)
	}
	for _, line := range f.Log {
		fmt.Fprintf(b, "    | %s\n", line)
	}
}
