package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/agent/bundle"
	"crossfade/internal/agent/cgroup"
	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/install"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/local"
	"crossfade/internal/agent/officialconf"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/envelope"
	"crossfade/internal/sigv4"
	"crossfade/internal/telemetry"
)

// localFlags are what can be said to crossfade local beside the request.
type localFlags struct {
	request      local.Request
	events       string
	config, root string
	dryRun       bool
	output       string
}

// gitHubURL is GitHub's API.
const gitHubURL = "https://api.github.com"

// maxLocalBundle bounds a bundle that is downloaded, in bytes.
const maxLocalBundle = 8 << 30

func newLocalCommand() *cobra.Command {
	var flags localFlags
	c := &cobra.Command{
		Use: "local", Short: "Deploy a bundle or directory on this machine, without a server", Args: cobra.NoArgs, Version: version(),
		Long: `Deploy a bundle or a directory on this machine without a server, with the flags, the order of events and the rules of codedeploy-local. Installed
files, older revisions and logs are kept as the agent keeps them, below the same root directory; an agent that runs there waits meanwhile, and so
does this command while the agent carries out an event.

The bundle is at a path of this machine (a directory, or a zip, tar or tgz file), at s3://BUCKET/KEY?versionId=VERSION&etag=ETAG, at
https://github.com/OWNER/REPOSITORY, or at https://api.github.com/repos/OWNER/REPOSITORY/tarball/COMMIT (or zipball). S3 is asked with the access key
and region of the AWS tools, at AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL if set; GitHub with GITHUB_TOKEN if set.

Events of --events that are none of the usual ones must have a hook in the AppSpec. DownloadBundle and Install come first unless they are in the
list; before DownloadBundle only BeforeBlockTraffic, AfterBlockTraffic and ApplicationStop may come, before Install also DownloadBundle and
BeforeInstall.

Without --root the directory is the one that the official agent's configuration names, if there is such a file; else the official one, for which
this command must run as root.

Exit codes: 0 deployed; 1 it was not, and why; 2 unknown flags; 130 interrupted.`,
		Example: `  crossfade local --bundle-location build/bundle --root ~/deployments --dry-run
  sudo crossfade local -l s3://releases/shop-17.zip -t zip -b OVERWRITE
  crossfade local -l . -e DownloadBundle,Install,AfterInstall,SmokeTest --root ~/deployments --output json`,
		RunE: func(c *cobra.Command, _ []string) error {
			err := flags.run(c)
			if err == nil || errors.Is(err, errReported) {
				return err
			}
			if errors.Is(err, context.Canceled) {
				return errInterrupted
			}
			if _, err := fmt.Fprintln(c.ErrOrStderr(), "ERROR:", err); err != nil {
				return err
			}
			return errReported
		},
	}
	f := c.Flags()
	f.StringVarP(&flags.request.Location, "bundle-location", "l", ".", "where the bundle is: a path, s3://, or https:// of GitHub")
	f.StringVarP(&flags.request.Type, "type", "t", "", "tgz, tar, zip or directory (default: directory, or as the location's name tells)")
	f.StringVarP(&flags.request.Behavior, "file-exists-behavior", "b", envelope.Disallow, "what to do about files that are there already: DISALLOW, OVERWRITE or RETAIN")
	f.StringVarP(&flags.request.GroupID, "deployment-group", "g", local.DefaultGroup, "id of the deployment group, which names its directory below the root directory")
	f.StringVarP(&flags.request.GroupName, "deployment-group-name", "d", local.DefaultGroupName, "name of the deployment group, for the scripts")
	f.StringVarP(&flags.request.Application, "application-name", "a", "", "name of the application, for the scripts (default: the bundle location)")
	f.StringVarP(&flags.events, "events", "e", "", "lifecycle events in their order, separated by commas (default: all)")
	f.StringVarP(&flags.config, "agent-configuration-file", "c", "", "configuration file of the official agent (default: "+officialconf.DefaultPath()+" if there is one)")
	f.StringVarP(&flags.request.AppSpec, "appspec-filename", "A", "", "name of the AppSpec file in the bundle (default: appspec.yml or appspec.yaml)")
	f.StringVar(&flags.root, "root", "", "directory of deployments and progress (default: that of the agent)")
	f.BoolVar(&flags.dryRun, "dry-run", false, "say what each event would do, and touch nothing")
	addOutputFlag(c, &flags.output)
	return c
}

func (f *localFlags) run(c *cobra.Command) error {
	environ := os.Environ()
	if f.events != "" {
		for name := range strings.SplitSeq(f.events, ",") {
			f.request.Events = append(f.request.Events, strings.TrimSpace(name))
		}
	}
	f.request.GitHubToken = variable(environ, "GITHUB_TOKEN")
	plan, err := f.request.Plan(rand.Text()[:9])
	if err != nil {
		return err
	}
	conf, err := f.configuration()
	if err != nil {
		return err
	}
	root, err := f.rootDirectory(conf)
	if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(c.ErrOrStderr(), "warn", "text")
	if err != nil {
		return err
	}
	bundles, err := fetcherFor(c.Context(), plan, conf, environ, log)
	if err != nil {
		return err
	}
	host := &lifecycle.Host{Bundles: bundles, Environ: withoutSecrets(environ), MaxRevisions: max(conf.MaxRevisions, 0), Now: time.Now, Log: log}
	if host.MaxRevisions == 0 {
		host.MaxRevisions = 5
	}
	if f.dryRun {
		return f.rehearse(c, host, root, plan)
	}
	return f.deploy(c, host, root, plan)
}

func (f *localFlags) deploy(c *cobra.Command, host *lifecycle.Host, root string, plan local.Plan) error {
	if err := useRoot(host, root); err != nil {
		return err
	}
	host.Cgroups = cgroup.Open(host.Log)
	lock, err := hostlock.Open(root)
	if err != nil {
		return err
	}
	teller := &localTeller{out: c.OutOrStdout(), errs: c.ErrOrStderr(), quiet: f.output == "json"}
	teller.begin(plan, root)
	err = (&local.Deployer{Host: host, Root: root, Lock: lock, Tell: teller, Now: time.Now}).Deploy(c.Context(), plan)
	if errors.Is(err, context.Canceled) {
		return err
	}
	return teller.end(err)
}

func (f *localFlags) rehearse(c *cobra.Command, host *lifecycle.Host, root string, plan local.Plan) (err error) {
	scratch, err := os.MkdirTemp("", "crossfade-dry-run-")
	if err != nil {
		return fmt.Errorf("make a scratch directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := useRoot(host, scratch); err != nil {
		return err
	}
	steps, err := (&local.Rehearsal{Host: host, Root: root}).Steps(c.Context(), plan)
	if err != nil {
		return err
	}
	return printSteps(c.OutOrStdout(), f.output, plan, root, steps)
}

func useRoot(host *lifecycle.Host, root string) (err error) {
	if host.Dir, err = rootdir.OpenBeside(root); err != nil {
		return err
	}
	host.Installer = install.Installer{Dir: host.Dir.Instructions(), Log: host.Log}
	return nil
}

// configuration is what the official agent's file says. One that nobody named may be missing.
func (f *localFlags) configuration() (officialconf.Conf, error) {
	if f.config != "" {
		return officialconf.Load(f.config)
	}
	conf, err := officialconf.Load(officialconf.DefaultPath())
	if errors.Is(err, fs.ErrNotExist) {
		return officialconf.Conf{}, nil
	}
	return conf, err
}

func (f *localFlags) rootDirectory(conf officialconf.Conf) (string, error) {
	root := f.root
	if root == "" {
		root = conf.Root
	}
	if root == "" {
		if os.Geteuid() > 0 { // -1: a system without such a number
			return "", errors.New("only root may deploy into the official agent's directory: choose another one with --root")
		}
		_, root = agentDefaults()
	}
	return filepath.Abs(root)
}

// fetcherFor makes what fetches the plan's bundle. Keys are looked for only when there is something to sign.
func fetcherFor(ctx context.Context, plan local.Plan, conf officialconf.Conf, environ []string, log *slog.Logger) (*bundle.Fetcher, error) {
	client, err := httpClient(environ, "")
	if err != nil {
		return nil, err
	}
	if conf.Proxy != "" {
		if client, err = through(client, conf.Proxy); err != nil {
			return nil, err
		}
	}
	f := &bundle.Fetcher{
		HTTP: client, GitHubURL: gitHubURL, UserAgent: "crossfade/" + version(), MaxBytes: maxLocalBundle, Waits: bundle.DefaultWaits(), Log: log,
	}
	if plan.Spec.Revision.S3Revision == nil {
		return f, nil
	}
	s, err := storeFrom(ctx, environ, "", conf.S3Endpoint)
	if err != nil {
		return nil, err
	}
	f.S3Endpoint = s.endpoint
	f.Sign = func(_ context.Context, r *http.Request, service, payload string) error {
		sigv4.Sign(r, s.credential, s.region, service, payload, time.Now())
		return nil
	}
	return f, nil
}

// through is the same client behind a proxy.
func through(client *http.Client, proxy string) (*http.Client, error) {
	u, err := url.Parse(proxy)
	if err != nil {
		return nil, errors.New("proxy_uri of the agent's configuration can't be read")
	}
	base, ok := client.Transport.(*http.Transport)
	if !ok {
		base = http.DefaultTransport.(*http.Transport)
	}
	transport := base.Clone()
	transport.Proxy = http.ProxyURL(u)
	return &http.Client{Transport: transport}, nil
}
