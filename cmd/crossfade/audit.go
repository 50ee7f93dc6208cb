package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/audit"
)

// errAudit ends a command that has said what is wrong with a log.
var errAudit = errors.New("the audit log is not as it was written")

func newAuditCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "audit", Short: "Read and check the audit log", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newAuditVerifyCommand(), newAuditShowCommand())
	return c
}

// auditReport is what is said of one file.
type auditReport struct {
	File     string   `json:"file"`
	Lines    int      `json:"lines"`
	Previous string   `json:"previous,omitempty"`
	Chain    string   `json:"chain"`
	Problems []string `json:"problems,omitempty"`
}

func newAuditVerifyCommand() *cobra.Command {
	var output, chain string
	c := &cobra.Command{
		Use: "verify FILE...", Short: "Check that no line was changed, cut out or put in", Args: cobra.MinimumNArgs(1),
		Long: `Check that no line of an audit log was changed, cut out or put in. Several files, the oldest first, must also follow each other.

Each line carries the SHA-256 of the one before it and of its own text. Who can write the file could make all of it anew: so keep the chain value
that this command prints somewhere else, and give it with --chain later: it must then be the value of a line of these files, with nothing wrong
before it.`,
		Example: `  crossfade audit verify crossfade-data/audit.log
  crossfade audit verify audit.log.2 audit.log.1 audit.log --chain 5f70bf18a086…`,
		RunE: func(c *cobra.Command, args []string) error {
			reports, found, err := verifyAudit(args, chain)
			if err != nil {
				return err
			}
			bad := chain != "" && !found
			for _, r := range reports {
				bad = bad || len(r.Problems) > 0
			}
			err = print(c.OutOrStdout(), output, reports, func(w io.Writer) error {
				for _, r := range reports {
					for _, p := range r.Problems {
						if _, err := fmt.Fprintf(w, "%s: %s\n", r.File, p); err != nil {
							return err
						}
					}
					if len(r.Problems) == 0 {
						if _, err := fmt.Fprintf(w, "%s: %d lines as they were written, up to %s\n", r.File, r.Lines, r.Chain); err != nil {
							return err
						}
					}
				}
				if chain != "" && !found {
					_, err := fmt.Fprintf(w, "the chain value %s is in none of the files\n", chain)
					return err
				}
				return nil
			})
			if err == nil && bad {
				err = errAudit
			}
			return err
		},
	}
	c.Flags().StringVar(&chain, "chain", "", "a chain value that was kept, which the files must have")
	addOutputFlag(c, &output)
	return c
}

func verifyAudit(files []string, chain string) (reports []auditReport, found bool, err error) {
	for i, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return nil, false, fmt.Errorf("read the audit log: %w", err)
		}
		r, err := audit.Verify(f, func(value string) { found = found || value == chain })
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, false, err
		}
		one := auditReport{path, r.Lines, r.Previous, r.Chain, r.Problems}
		if i > 0 && r.Previous != reports[i-1].Chain {
			one.Problems = append(one.Problems, "it does not follow "+reports[i-1].File)
		}
		reports = append(reports, one)
	}
	return reports, found, nil
}

func newAuditShowCommand() *cobra.Command {
	var principal, operation, decision, output string
	c := &cobra.Command{
		Use: "show FILE...", Short: "Print an audit log", Args: cobra.MinimumNArgs(1),
		Long: `Print the entries of an audit log, a line each: when, the decision, the operation, who, from where, on what, and which statement decided or which
error was answered. With --output json each line is the entry as an object.`,
		Example: `  crossfade audit show crossfade-data/audit.log --decision denied
  crossfade audit show audit.log --operation ContinueDeployment --output json`,
		RunE: func(c *cobra.Command, args []string) error {
			for _, path := range args {
				f, err := os.Open(path)
				if err != nil {
					return fmt.Errorf("read the audit log: %w", err)
				}
				err = audit.Read(f, func(e audit.Entry) error {
					if principal != "" && !strings.Contains(e.Principal, principal) || operation != "" && e.Operation != operation || decision != "" && e.Decision != decision {
						return nil
					}
					if output == "json" {
						return json.NewEncoder(c.OutOrStdout()).Encode(e)
					}
					return writeAudit(c.OutOrStdout(), e)
				})
				if err = errors.Join(err, f.Close()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&principal, "principal", "", "only entries whose principal has this text")
	c.Flags().StringVar(&operation, "operation", "", "only entries of this operation")
	c.Flags().StringVar(&decision, "decision", "", "only entries with this decision: allowed or denied")
	addOutputFlag(c, &output)
	return c
}

func writeAudit(w io.Writer, e audit.Entry) error {
	who := e.Principal
	if who == "" {
		who = "nobody known"
	}
	line := fmt.Sprintf("%s %-7s %s:%s by %s", e.Time.Format(time.RFC3339), e.Decision, e.Service, e.Operation, who)
	if e.AccessKey != "" {
		line += " (" + e.AccessKey + ")"
	}
	line += " from " + e.From
	if len(e.Resources) > 0 {
		line += " on " + strings.Join(e.Resources, ", ")
	}
	if e.Statement != "" {
		line += " by " + e.Statement
	}
	if e.Code != "" {
		line += ": " + e.Code
	}
	_, err := fmt.Fprintln(w, harmless(line))
	return err
}
