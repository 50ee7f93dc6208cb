package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"crossfade/internal/demo"
	"crossfade/internal/telemetry"
)

func newDemoCommand() *cobra.Command {
	var auto bool
	var rate int
	var pause time.Duration
	var output, logLevel string
	c := &cobra.Command{
		Use: "demo", Short: "Watch a blue/green deployment on this machine", Args: cobra.NoArgs,
		Long: `Show the main job on this machine: a server, its load balancer and four hosts with agents start in a temporary directory, a small web
application is deployed as v1 onto the two blue hosts, and then as v2, blue/green, onto the two green ones, while requests go through the load
balancer. The deployment stops in Ready until you continue it with the AWS command line (the line to type is printed), and again before the
blue hosts are given up; with --auto the demo continues by itself. At the end it says how many requests failed, and how long after
ContinueDeployment the first answer of v2 and the last answer of v1 came. Nothing is left behind.`,
		Example: `  crossfade demo
  crossfade demo --auto
  crossfade demo --auto --output json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if rate < 1 || rate > maxDemoRate {
				return &usageError{fmt.Errorf("--rate %d is not between 1 and %d", rate, maxDemoRate)}
			}
			if output == "json" && !auto {
				return &usageError{errors.New("--output json prints only the summary, and not the line to type: add --auto")}
			}
			log := slog.New(slog.DiscardHandler)
			if logLevel != "" {
				var err error
				if log, err = telemetry.NewLogger(c.ErrOrStderr(), logLevel, "text"); err != nil {
					return &usageError{err}
				}
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			ctx, stop := watched(c.Context())
			defer stop()
			out := int(os.Stdout.Fd())
			summary, err := demo.Run(ctx, demo.Options{
				Program: self, Version: version(), Out: &ending{c.OutOrStdout(), stop}, Log: log,
				Auto: auto, Pause: pause, Rate: rate, Silent: output == "json",
				Terminal: term.IsTerminal(out) && logLevel == "", Color: variable(os.Environ(), "NO_COLOR") == "",
				Width: func() int {
					width, _, err := term.GetSize(out)
					if err != nil {
						return 0
					}
					return width
				},
				ReadyWait: demoWaitMinutes, TerminationWait: demoWaitMinutes,
			})
			if ctx.Err() != nil {
				if err != nil && !errors.Is(err, ctx.Err()) {
					fmt.Fprintln(c.ErrOrStderr(), "crossfade:", err)
				}
				return errInterrupted
			}
			if summary.DeploymentID != "" && output == "json" {
				if printErr := print(c.OutOrStdout(), output, summary, nil); printErr != nil {
					return errors.Join(err, printErr)
				}
			}
			return err
		},
	}
	c.Flags().BoolVar(&auto, "auto", false, "continue the deployment without waiting for you")
	c.Flags().IntVar(&rate, "rate", 200, "requests per second")
	c.Flags().DurationVar(&pause, "pause", 2*time.Second, "how long --auto stays in each wait, to be watched")
	c.Flags().StringVar(&logLevel, "log-level", "", "log what server and agents do: debug, info, warn or error (default: nothing)")
	addOutputFlag(c, &output)
	return c
}

// watched ends also when the terminal goes away: there are applications to stop and a directory to remove.
func watched(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE) // so that a write fails, and does not end the program
	return ctx, stop
}

// ending ends the demo when nobody reads what it prints.
type ending struct {
	io.Writer
	stop context.CancelFunc
}

// Write implements io.Writer.
func (e *ending) Write(p []byte) (int, error) {
	n, err := e.Writer.Write(p)
	if err != nil {
		e.stop()
	}
	return n, err
}

const (
	// demoWaitMinutes is how long the demo waits for you.
	demoWaitMinutes = 60
	// maxDemoRate is what client, server and four applications on one machine can still do side by side.
	maxDemoRate = 2000
)
