package install

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"

	"crossfade/internal/appspec"
)

// Label is an SELinux context in the JSON that the official agent writes. Null is what the AppSpec does not say; a role it never says.
type Label struct {
	User  *string `json:"user"`
	Role  *string `json:"role"`
	Type  string  `json:"type"`
	Range *string `json:"range"`
}

func newLabel(c *appspec.Context) *Label {
	l := &Label{Type: c.Type}
	if c.User != "" {
		l.User = &c.User
	}
	if c.Range != "" {
		l.Range = &c.Range
	}
	return l
}

// setACL gives an object the entries and, from the mode that it has by now, those that every list must have.
func (in Instruction) setACL(ctx context.Context, run Runner) error {
	acl, err := appspec.ParseACL(in.ACL)
	if err != nil {
		return fmt.Errorf("set access control list: %w", err)
	}
	mode, err := modeNow(in.File)
	if err != nil {
		return fmt.Errorf("set access control list: %w", err)
	}
	full := strings.Join(acl.Complete(mode).Strings(), ",")
	if err := call(ctx, run, "setfacl", "--set", full, in.File); err != nil {
		return fmt.Errorf("set access control list of %s: %w", in.File, err)
	}
	return nil
}

// label adds a rule to the policy and applies it. The rule is noted as soon as it is there, and not before: one of the same path that could
// not be added is somebody else's.
func (in Instruction) label(ctx context.Context, run Runner, journal io.StringWriter) error {
	if _, err := modeNow(in.File); err != nil {
		return fmt.Errorf("set SELinux context: %w", err)
	}
	path, err := filepath.EvalSymlinks(in.File) // the policy knows real paths only
	if err != nil {
		return fmt.Errorf("set SELinux context: %w", err)
	}
	pattern := policyPattern(path)
	args := []string{"fcontext", "-a"}
	if in.Context.User != nil {
		args = append(args, "-s", *in.Context.User)
	}
	args = append(args, "-t", in.Context.Type)
	if in.Context.Range != nil {
		args = append(args, "-r", *in.Context.Range)
	}
	if err := call(ctx, run, "semanage", append(args, pattern)...); err != nil {
		return fmt.Errorf("set SELinux context of %s: %w", in.File, err)
	}
	if err := note(journal, semanagePrefix+quotePattern(pattern)); err != nil {
		return err
	}
	if err := call(ctx, run, "restorecon", "-v", path); err != nil {
		return fmt.Errorf("set SELinux context of %s: %w", in.File, err)
	}
	return nil
}

// policyPattern is the regular expression that matches the path alone. Blanks separate the fields of the policy's file, so they are written
// as escapes.
func policyPattern(path string) string {
	return strings.NewReplacer(" ", `\x20`, "\t", `\t`).Replace(regexp.QuoteMeta(path))
}

// plain holds of patterns that a shell leaves as they are.
var plain = regexp.MustCompile(`^[A-Za-z0-9_/@%+=:,-]+$`)

// quotePattern writes a pattern for the cleanup list, whose lines the official agent hands to a shell.
func quotePattern(pattern string) string {
	if plain.MatchString(pattern) {
		return pattern
	}
	return "'" + strings.ReplaceAll(pattern, "'", `'\''`) + "'"
}

// unquotePattern reads what [quotePattern] or the official agent, which quotes nothing, has written.
func unquotePattern(text string) string {
	inner, begins := strings.CutPrefix(text, "'")
	inner, ends := strings.CutSuffix(inner, "'")
	if !begins || !ends {
		return text
	}
	return strings.ReplaceAll(inner, `'\''`, "'")
}

// dropRule removes the rule that a line of the cleanup list tells of. The last installation's rule must not hinder this one, and a host that
// lost SELinux has none, so what goes wrong is only logged.
func dropRule(ctx context.Context, log *slog.Logger, run Runner, line string) {
	pattern := unquotePattern(strings.TrimPrefix(line, semanagePrefix))
	if !filepath.IsAbs(pattern) {
		log.Warn("ignored a line of the cleanup list whose SELinux rule is for no absolute path", "line", line)
		return
	}
	if err := call(ctx, run, "semanage", "fcontext", "-d", pattern); err != nil {
		log.Warn("could not remove an SELinux rule of the last installation", "pattern", pattern, "error", err)
	}
}
