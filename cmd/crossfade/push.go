package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"crossfade/internal/appspec"
	"crossfade/internal/awsjson/client"
	"crossfade/internal/operator"
	"crossfade/internal/revision/pack"
	"crossfade/internal/revision/upload"
	"crossfade/internal/wire/control"
)

// pushFlags are those of aws deploy push, and a few more.
type pushFlags struct {
	application, location, source, description string
	skipHidden, keepHidden, dryRun             bool
	s3Endpoint                                 string
}

// pushed is what became of it.
type pushed struct {
	Application string   `json:"applicationName"`
	Bucket      string   `json:"bucket"`
	Key         string   `json:"key"`
	BundleType  string   `json:"bundleType"`
	ETag        string   `json:"eTag,omitempty"`
	Version     string   `json:"version,omitempty"`
	Files       int      `json:"files"`
	Bytes       int64    `json:"bytes"` // of the bundle
	Uploaded    bool     `json:"uploaded"`
	Registered  bool     `json:"registered"`
	Notes       []string `json:"notes"`
	Deploy      string   `json:"deploy,omitempty"` // the command that deploys it
}

func newPushCommand() *cobra.Command {
	var at reach
	var f pushFlags
	var output string
	c := &cobra.Command{
		Use: "push", Short: "Bundle a directory, upload it and register it as a revision", Args: cobra.NoArgs,
		Long: `Bundle a directory, upload it and register it as a revision, as aws deploy push does and with its flags, and print the command that deploys it.
More than that command does:

  - The AppSpec and the scripts and files that it names are checked first, with line and hint (crossfade appspec validate says the same).
    What is wrong stops the push; warnings do not.
  - The same files make the same bundle, byte for byte, wherever and whenever they are packed. One that is in the store already is not sent again.
  - --dry-run checks and packs, and changes nothing.

A link to a file becomes the file, as with aws deploy push.

` + reachHelp + `
The bundle goes to the same server, or to --s3-endpoint, else AWS_ENDPOINT_URL_S3.

  0  the revision is registered
  1  the AppSpec or the bundle is wrong, or the store or the server refused it
  2  the command line or the environment is wrong
  130  interrupted; no part of an upload is left behind`,
		Example: `  crossfade push --application-name shop --s3-location s3://releases/shop-1.4.zip --source build/bundle
  crossfade push --application-name shop --s3-location s3://releases/shop-1.4.zip --ignore-hidden-files --dry-run
  eval "$(crossfade push --application-name shop --s3-location s3://releases/shop.zip --output json | jq -r .deploy) --deployment-group-name prod"`,
		RunE: func(c *cobra.Command, _ []string) error {
			bucket, key, err := f.check()
			if err != nil {
				return &usageError{err}
			}
			server, err := at.client(os.Environ())
			if err != nil {
				return err
			}
			ctx, cancel := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer cancel()
			p := push{flags: f, server: server, progress: liveLine(c.ErrOrStderr(), output)}
			r, err := p.run(ctx, c.ErrOrStderr(), bucket, key)
			if err != nil {
				return err
			}
			return print(c.OutOrStdout(), output, r, r.write)
		},
	}
	at.addFlags(c)
	c.Flags().StringVar(&f.application, "application-name", "", "application that the revision is for (required)")
	c.Flags().StringVar(&f.location, "s3-location", "", "where the bundle goes: s3://BUCKET/KEY (required)")
	c.Flags().StringVar(&f.source, "source", ".", "directory with the AppSpec")
	c.Flags().StringVar(&f.description, "description", "", "of the revision (default: the time)")
	c.Flags().BoolVar(&f.skipHidden, "ignore-hidden-files", false, "leave out files and directories whose name begins with a dot")
	c.Flags().BoolVar(&f.keepHidden, "no-ignore-hidden-files", false, "bundle them too, which is the default")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "check and pack, and change nothing")
	c.Flags().StringVar(&f.s3Endpoint, "s3-endpoint", "", "URL of another store of revisions, addressed by path (default: $AWS_ENDPOINT_URL_S3, else the server)")
	addOutputFlag(c, &output)
	return c
}

// check refuses what can't be meant.
func (f *pushFlags) check() (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(f.location, "s3://")
	bucket, key, slash := strings.Cut(rest, "/")
	switch {
	case f.application == "":
		return "", "", errors.New("--application-name is missing: say for which application the revision is")
	case !ok || !slash || bucket == "" || key == "":
		return "", "", fmt.Errorf("--s3-location %q is not s3://BUCKET/KEY", f.location)
	case f.skipHidden && f.keepHidden:
		return "", "", errors.New("--ignore-hidden-files and --no-ignore-hidden-files exclude each other: leave one out")
	}
	return bucket, key, nil
}

// liveLine is one line of a terminal that says how far a long work is. Elsewhere nothing is said.
func liveLine(w io.Writer, output string) func(format string, args ...any) {
	f, ok := w.(*os.File)
	if output == "json" || !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string, ...any) {}
	}
	return func(format string, args ...any) {
		// What can't be shown is not worth ending the work for.
		if _, err := fmt.Fprintf(w, "\r\x1b[K"+format, args...); err != nil {
			return
		}
	}
}

// push is one push.
type push struct {
	flags    pushFlags
	server   *operator.Client
	progress func(format string, args ...any)
}

func (p *push) run(ctx context.Context, complain io.Writer, bucket, key string) (_ *pushed, err error) {
	if err := p.checkAppSpec(complain); err != nil {
		return nil, err
	}
	r := &pushed{Application: p.flags.application, Bucket: bucket, Key: key, BundleType: "zip", Notes: []string{}}
	bundle, err := os.CreateTemp("", "crossfade-push-*.zip")
	if err != nil {
		return nil, fmt.Errorf("make a file for the bundle: %w", err)
	}
	defer func() { err = errors.Join(err, bundle.Close(), os.Remove(bundle.Name())) }()
	facts, err := pack.Zip(ctx, p.flags.source, bundle, pack.Options{SkipHidden: p.flags.skipHidden, Progress: func(n int) { p.progress("packed %d files", n) }})
	if err != nil {
		return nil, err
	}
	info, err := bundle.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the bundle: %w", err)
	}
	r.Files, r.Bytes, r.Notes = facts.Files, info.Size(), append(r.Notes, facts.Notes...)
	if p.flags.dryRun {
		p.progress("")
		return r, nil
	}
	to, err := p.store(ctx)
	if err != nil {
		return nil, err
	}
	put, err := upload.Put(ctx, to, upload.Bundle{Bucket: bucket, Key: key, Content: bundle, Size: r.Bytes}, func(sent int64) {
		p.progress("uploaded %d of %d bytes", sent, r.Bytes)
	})
	p.progress("")
	if err != nil {
		return nil, err
	}
	r.ETag, r.Version, r.Uploaded = put.ETag, put.Version, !put.Already
	if err := p.register(ctx, r); err != nil {
		return nil, err
	}
	r.Registered, r.Deploy = true, r.command()
	return r, nil
}

// checkAppSpec says what is wrong before anything is packed.
func (p *push) checkAppSpec(complain io.Writer) error {
	v, err := validation{platform: string(appspec.Server)}.run(nil, []string{p.flags.source})
	if err != nil {
		return err
	}
	for _, all := range []struct {
		kind     string
		problems []validateProblem
	}{{"error", v.Problems}, {"warning", v.Warnings}} {
		for _, one := range all.problems {
			if _, err := fmt.Fprintln(complain, one.text(all.kind)); err != nil {
				return fmt.Errorf("tell what is wrong with the AppSpec: %w", err)
			}
		}
	}
	if !v.Valid {
		return errors.New("nothing was pushed, because hosts would refuse this bundle: mend the AppSpec")
	}
	return nil
}

// store is where the bundle goes.
func (p *push) store(ctx context.Context) (*s3.Client, error) {
	endpoint := p.flags.s3Endpoint
	if endpoint == "" {
		if endpoint = variable(os.Environ(), "AWS_ENDPOINT_URL_S3"); endpoint == "" {
			endpoint = p.server.Endpoint
		}
	}
	at, err := storeFrom(ctx, os.Environ(), p.server.Region, endpoint)
	if err != nil {
		return nil, &usageError{err}
	}
	var caller s3.HTTPClient = p.server.HTTP
	if p.server.HTTP == nil {
		caller = http.DefaultClient
	}
	return s3.New(s3.Options{
		Region: at.region, BaseEndpoint: &at.endpoint, UsePathStyle: true, HTTPClient: caller,
		Credentials: credentials.NewStaticCredentialsProvider(at.credential.AccessKeyID, at.credential.SecretAccessKey, at.credential.SessionToken),
	}), nil
}

// register makes the bundle a revision of the application.
func (p *push) register(ctx context.Context, r *pushed) error {
	description := p.flags.description
	if description == "" {
		description = "Uploaded by crossfade push " + p.server.Now().UTC().Format(time.RFC3339) + " UTC"
	}
	location := &control.S3Location{Bucket: &r.Bucket, Key: &r.Key, BundleType: new(control.BundleTypeZip), ETag: &r.ETag}
	if r.Version != "" {
		location.Version = &r.Version
	}
	service := client.Client{
		Endpoint: p.server.Endpoint, Region: p.server.Region, Service: "codedeploy", Target: "CodeDeploy_20141006", Credential: p.server.Credential,
		HTTP: p.server.HTTP, Now: p.server.Now, MaxAnswer: 1 << 20,
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := service.Call(ctx, "RegisterApplicationRevision", &control.RegisterApplicationRevisionInput{
		ApplicationName: &r.Application, Description: &description,
		Revision: &control.RevisionLocation{RevisionType: new(control.RevisionLocationTypeS3), S3Location: location},
	}, nil)
	if err != nil {
		return fmt.Errorf("the bundle is at s3://%s/%s and was not registered: %w", r.Bucket, r.Key, err)
	}
	return nil
}

// command deploys the revision, but for the group.
func (r *pushed) command() string {
	location := fmt.Sprintf("bucket=%s,key=%s,bundleType=zip,eTag=%s", r.Bucket, r.Key, r.ETag)
	if r.Version != "" {
		location += ",version=" + r.Version
	}
	return fmt.Sprintf("aws deploy create-deployment --application-name %s --s3-location %s", quoted(r.Application), quoted(location))
}

// quoted makes a text one word for a shell.
func quoted(text string) string {
	if strings.IndexFunc(text, func(c rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:@%+", c)
	}) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func (r *pushed) write(w io.Writer) error {
	var b strings.Builder
	for _, note := range r.Notes {
		fmt.Fprintln(&b, "note: "+note)
	}
	switch {
	case !r.Registered:
		fmt.Fprintf(&b, "%d files make a bundle of %d bytes; nothing was changed\n", r.Files, r.Bytes)
	case r.Uploaded:
		fmt.Fprintf(&b, "%d files, %d bytes, are at s3://%s/%s and registered\n", r.Files, r.Bytes, r.Bucket, r.Key)
	default:
		fmt.Fprintf(&b, "%d files, %d bytes, were at s3://%s/%s already and are registered\n", r.Files, r.Bytes, r.Bucket, r.Key)
	}
	if r.Deploy != "" {
		fmt.Fprintf(&b, "To deploy with this revision, run:\n%s --deployment-group-name <deployment-group-name>\n", r.Deploy)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
