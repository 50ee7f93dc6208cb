package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/operator"
	"crossfade/internal/wire/control"
)

// planTimeout bounds a plan: the server may have to download a commit for it.
const planTimeout = 15 * time.Minute

// exitProblems is what crossfade plan ends with when the deployment would be refused or fail at once, or hosts would refuse its bundle.
const exitProblems exitCode = 3

func newPlanCommand() *cobra.Command {
	var at reach
	var f planFlags
	var output string
	c := &cobra.Command{
		Use: "plan", Short: "Show what a deployment would do, before anything is changed", Args: cobra.NoArgs,
		Long: `Show what aws deploy create-deployment with the same flags would do: the instances that would take part, the waves and zones in which they are
taken, how many must stay healthy and may fail, the waits, the steps of the traffic, and what is wrong with the bundle and its AppSpec. The server
plays the deployment with the rules that it really uses, on the instances that there are now. Nothing is changed, but that a commit that was
never deployed is downloaded.

  0  nothing is known that would keep the deployment from succeeding
  1  the server refuses the deployment, as create-deployment would be, or can't be asked
  2  the command line or the environment is wrong
  3  it would fail at once, it would be refused because another deployment is active, or hosts would refuse the bundle

` + reachHelp,
		Example: `  crossfade plan --application-name shop --deployment-group-name prod --s3-location bucket=releases,key=shop-1.4.zip,bundleType=zip
  crossfade plan --cli-input-json file://deployment.json --output json`,
		RunE: func(c *cobra.Command, _ []string) error {
			in, err := f.input()
			if err != nil {
				return &usageError{err}
			}
			return at.call(c.Context(), planTimeout, func(ctx context.Context, client *operator.Client) error {
				plan, err := client.PlanDeployment(ctx, in)
				if err != nil {
					return err
				}
				if err := print(c.OutOrStdout(), output, plan, func(w io.Writer) error { return writePlan(w, plan) }); err != nil {
					return err
				}
				if !plan.Ready() {
					return exitProblems
				}
				return nil
			})
		},
	}
	at.addFlags(c)
	f.add(c)
	addOutputFlag(c, &output)
	return c
}

// planFlags are the flags of aws deploy create-deployment that decide what a deployment does.
type planFlags struct {
	application, group, config, s3, github, revision, targets, whole string
	outdated, ignoreStop                                             bool
}

func (f *planFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.application, "application-name", "", "application")
	c.Flags().StringVar(&f.group, "deployment-group-name", "", "deployment group")
	c.Flags().StringVar(&f.config, "deployment-config-name", "", "deployment config (default: the group's)")
	c.Flags().StringVar(&f.s3, "s3-location", "", "bucket=…,key=…,bundleType=tar|tgz|zip[,version=…][,eTag=…]")
	c.Flags().StringVar(&f.github, "github-location", "", "repository=owner/name,commitId=…")
	c.Flags().StringVar(&f.revision, "revision", "", "the revision as JSON, or file://PATH")
	c.Flags().StringVar(&f.targets, "target-instances", "", "the replacement environment as JSON, or file://PATH")
	c.Flags().BoolVar(&f.outdated, "update-outdated-instances-only", false, "only instances that do not have the group's revision")
	c.Flags().BoolVar(&f.ignoreStop, "ignore-application-stop-failures", false, "go on when ApplicationStop fails")
	c.Flags().StringVar(&f.whole, "cli-input-json", "", "the whole input as JSON, or file://PATH; other flags go before it")
}

// input is what create-deployment would send.
func (f *planFlags) input() (*control.CreateDeploymentInput, error) {
	in := &control.CreateDeploymentInput{}
	if err := readJSON("--cli-input-json", f.whole, in); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		value string
		into  **string
	}{{f.application, &in.ApplicationName}, {f.group, &in.DeploymentGroupName}, {f.config, &in.DeploymentConfigName}} {
		if s.value != "" {
			*s.into = &s.value
		}
	}
	if f.outdated {
		in.UpdateOutdatedInstancesOnly = &f.outdated
	}
	if f.ignoreStop {
		in.IgnoreApplicationStopFailures = &f.ignoreStop
	}
	if f.targets != "" {
		in.TargetInstances = &control.TargetInstances{}
		if err := readJSON("--target-instances", f.targets, in.TargetInstances); err != nil {
			return nil, err
		}
	}
	return in, f.readRevision(in)
}

func (f *planFlags) readRevision(in *control.CreateDeploymentInput) error {
	switch {
	case f.revision != "":
		in.Revision = &control.RevisionLocation{}
		return readJSON("--revision", f.revision, in.Revision)
	case f.s3 != "":
		l := &control.S3Location{}
		if err := shorthand("--s3-location", f.s3, l); err != nil {
			return err
		}
		in.Revision = &control.RevisionLocation{RevisionType: new(control.RevisionLocationTypeS3), S3Location: l}
	case f.github != "":
		l := &control.GitHubLocation{}
		if err := shorthand("--github-location", f.github, l); err != nil {
			return err
		}
		in.Revision = &control.RevisionLocation{RevisionType: new(control.RevisionLocationTypeGitHub), GitHubLocation: l}
	}
	return nil
}

// readJSON reads a flag's JSON, or that of the file that it names, strictly. An empty flag says nothing.
func readJSON(flag, value string, into any) error {
	if value == "" {
		return nil
	}
	content := []byte(value)
	if path, ok := strings.CutPrefix(value, "file://"); ok {
		var err error
		if content, err = os.ReadFile(path); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	d := json.NewDecoder(strings.NewReader(string(content)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}

// shorthand reads Key=Value pairs as the aws CLI does.
func shorthand(flag, value string, into any) error {
	members := map[string]string{}
	for _, pair := range strings.Split(value, ",") {
		key, v, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return fmt.Errorf("%s: %q is not name=value", flag, pair)
		}
		members[strings.TrimSpace(key)] = v
	}
	doc, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return readJSON(flag, string(doc), into)
}
