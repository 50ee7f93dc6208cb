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
	fmt.Fprintf(&b, "deployment %s (application %s, deployment group %s) is %s\n", x.DeploymentID, x.Application, x.Group, x.Status)
	fmt.Fprintf(&b, "  %s\n", x.Summary)
	if x.ErrorCode != "" {
		fmt.Fprintf(&b, "  %s: %s\n", x.ErrorCode, x.ErrorMessage)
	}
	for _, a := range x.Arithmetic {
		fmt.Fprintf(&b, "\n%s\n  %s\n", a.title(), a.Sentence)
		n := 0
		for _, f := range x.Failures {
			if f.Stage != a.Stage || f.Environment != a.Environment {
				continue
			}
			if n++; n <= shown {
				f.write(&b, a.Total)
			}
		}
		if n > shown {
			fmt.Fprintf(&b, "  and %d more failed; --output json shows them\n", n-shown)
		}
	}
	x.writeWaits(&b)
	section(&b, "rollback", x.Rollback)
	section(&b, "messages", x.Messages...)
	section(&b, "what to do next", x.Next[:min(len(x.Next), shown)]...)
	_, err := w.Write(b.Bytes())
	return err
}

func section(b *bytes.Buffer, title string, lines ...string) {
	for i, l := range lines {
		if l == "" {
			continue
		}
		if i == 0 {
			fmt.Fprintf(b, "\n%s\n", title)
		}
		fmt.Fprintf(b, "  %s\n", l)
	}
}

func (a Arithmetic) title() string {
	if a.Environment == inPlace {
		return stageWords[a.Stage]
	}
	return a.Environment + " environment, " + stageWords[a.Stage]
}

func (f Failure) write(b *bytes.Buffer, total int) {
	fmt.Fprintf(b, "  instance %s", f.Instance)
	if f.Place > 0 {
		fmt.Fprintf(b, ", number %d of %d to start", f.Place, total)
	}
	fmt.Fprintf(b, "\n    %s failed: %s\n", f.Event, f.Says)
	if f.Message != "" {
		fmt.Fprintf(b, "    %s: %s\n", f.ErrorCode, f.Message)
	}
	for _, line := range f.Log {
		fmt.Fprintf(b, "    | %s\n", line)
	}
	if f.Logs != "" {
		fmt.Fprintf(b, "    all of it: %s\n", f.Logs)
	}
}

func (x Explanation) writeWaits(b *bytes.Buffer) {
	for i, t := range x.Waiting {
		if i == 0 {
			b.WriteString("\nwaits for\n")
		}
		if i == shown {
			fmt.Fprintf(b, "  and %d more; --output json shows them\n", len(x.Waiting)-shown)
			return
		}
		fmt.Fprintf(b, "  %s\n", t.For)
		if t.Since != nil {
			fmt.Fprintf(b, "    since %s, for %s", t.Since.Format(time.RFC3339), max(0, x.At.Sub(*t.Since)))
		}
		if t.Until != nil {
			fmt.Fprintf(b, "; at the latest until %s", t.Until.Format(time.RFC3339))
		}
		if t.Since != nil || t.Until != nil {
			b.WriteByte('\n')
		}
	}
}
