package main

import (
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"crossfade/internal/demo/app"
)

// parentVariable names the process without which the sample application has no reason to live.
const parentVariable = "APP_PARENT_PID"

// newDemoAppCommand makes what the scripts of the sample application call.
func newDemoAppCommand() *cobra.Command {
	c := &cobra.Command{Use: "demo-app", Short: "The web server of the sample application", Hidden: true}
	c.AddCommand(newDemoAppServeCommand(), newDemoAppStartCommand(), newDemoAppStopCommand(), newDemoAppCheckCommand())
	return c
}

func newDemoAppServeCommand() *cobra.Command {
	var o app.Options
	c := &cobra.Command{
		Use: "serve", Short: "Serve a site until a signal comes", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return app.Serve(c.Context(), o) },
	}
	c.Flags().StringVar(&o.Listen, "listen", "", "host:port")
	c.Flags().StringVar(&o.Site, "site", "", "directory with VERSION and index.html")
	c.Flags().IntVar(&o.Parent, "parent", 0, "process without which to end; 0: none")
	require(c, "listen", "site")
	return c
}

func newDemoAppStartCommand() *cobra.Command {
	var listen, site string
	p := app.Process{}
	c := &cobra.Command{
		Use: "start", Short: "Start serving in the background", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			p.Program, p.Args = self, []string{"demo-app", "serve", "--listen", listen, "--site", site}
			if parent, err := strconv.Atoi(variable(os.Environ(), parentVariable)); err == nil {
				p.Args = append(p.Args, "--parent", strconv.Itoa(parent))
			}
			return p.Start(c.Context(), "http://"+listen+"/healthz")
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "host:port")
	c.Flags().StringVar(&site, "site", "", "directory with VERSION and index.html")
	c.Flags().StringVar(&p.PIDFile, "pid-file", "", "file for the pid")
	c.Flags().StringVar(&p.Log, "log", os.DevNull, "file for the output")
	require(c, "listen", "site", "pid-file")
	return c
}

func newDemoAppStopCommand() *cobra.Command {
	var pidFile string
	c := &cobra.Command{
		Use: "stop", Short: "Stop what was started", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return app.Stop(c.Context(), pidFile) },
	}
	c.Flags().StringVar(&pidFile, "pid-file", "", "file with the pid")
	require(c, "pid-file")
	return c
}

func newDemoAppCheckCommand() *cobra.Command {
	var url, expect string
	c := &cobra.Command{
		Use: "check", Short: "Ask the application once", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return app.Check(c.Context(), url, expect) },
	}
	c.Flags().StringVar(&url, "url", "", "what to ask")
	c.Flags().StringVar(&expect, "expect", "", "what it must say; empty: anything")
	require(c, "url")
	return c
}

func require(c *cobra.Command, flags ...string) {
	for _, f := range flags {
		cobra.CheckErr(c.MarkFlagRequired(f))
	}
}
