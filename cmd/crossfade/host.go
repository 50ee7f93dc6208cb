package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"crossfade/internal/config"
	"crossfade/internal/operator"
)

// callTimeout bounds one call of the operator.
const callTimeout = 30 * time.Second

func newHostCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "host", Short: "Make hosts and take them away",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newHostAddCommand(), newHostRemoveCommand(), newHostTokenCommand(), newHostTokensCommand())
	return c
}

// reach is how a command finds the server.
type reach struct{ endpoint, region, ca string }

const reachHelp = `The call goes to the running server, signed with CROSSFADE_ROOT_ACCESS_KEY_ID and CROSSFADE_ROOT_SECRET_ACCESS_KEY, or with
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. The server is --endpoint, else AWS_ENDPOINT_URL, else the one of this machine; its certificate is
checked against --ca, else AWS_CA_BUNDLE.`

func (r *reach) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&r.endpoint, "endpoint", "", "URL of the server (default: $AWS_ENDPOINT_URL, else http://"+config.Default().Listen+")")
	c.Flags().StringVar(&r.region, "region", "", "region of the server (default: $AWS_REGION, $AWS_DEFAULT_REGION, else "+config.Default().Region+")")
	c.Flags().StringVar(&r.ca, "ca", "", "PEM file with the certificates that the server's is checked against (default: $AWS_CA_BUNDLE, else the system's)")
}

func (r *reach) client(environ []string) (*operator.Client, error) {
	credential, err := credentialFrom(environ)
	if err != nil {
		return nil, &usageError{err}
	}
	caller, err := httpClient(environ, r.ca)
	if err != nil {
		return nil, &usageError{err}
	}
	first := func(values ...string) string {
		i := slices.IndexFunc(values, func(v string) bool { return v != "" })
		return values[i]
	}
	return &operator.Client{
		Endpoint:   first(r.endpoint, variable(environ, "CROSSFADE_ENDPOINT", "AWS_ENDPOINT_URL"), "http://"+config.Default().Listen),
		Region:     first(r.region, variable(environ, "CROSSFADE_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"), config.Default().Region),
		Credential: credential, HTTP: caller, Now: time.Now,
	}, nil
}

// call makes one call of the operator, or a few that belong together, within the patience.
func (r *reach) call(ctx context.Context, patience time.Duration, do func(context.Context, *operator.Client) error) error {
	client, err := r.client(os.Environ())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx, client)
}

// hostFile is what an agent reads to know who it is, in the official agent's form.
type hostFile struct {
	Region          string `yaml:"region"`
	IAMUserARN      string `yaml:"iam_user_arn"`
	AccessKeyID     string `yaml:"aws_access_key_id"`
	SecretAccessKey string `yaml:"aws_secret_access_key"`
}

func newHostAddCommand() *cobra.Command {
	var at reach
	var tags []string
	var out, output, identity string
	c := &cobra.Command{
		Use: "add NAME", Short: "Make a registered host and the file that its agent needs", Args: cobra.ExactArgs(1),
		Long: `Make a host in one go: register an on-premises instance with its tags under an identity of its own, give it an access key, and write the
official on-premises file, which either agent reads (mode 0600; it holds the host's secret, which is not shown again).

An agent on an EC2 instance that is to be known by its instance, as those of Auto Scaling groups are, gets --identity with the instance's ARN.

` + reachHelp,
		Example: `  crossfade host add web-1 --tag Environment=blue --out web-1.yml
  crossfade host add web-2 --tag Environment=green --tag crossfade:address=10.0.0.7:8080 --out web-2.yml --endpoint https://deploy.example.com`,
		RunE: func(c *cobra.Command, args []string) error {
			in := operator.AddHostInput{Name: &args[0]}
			if identity != "" {
				in.Identity = &identity
			}
			var err error
			if in.Tags, err = parseTags(tags); err != nil {
				return err
			}
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				host, err := addHost(ctx, client, in, out)
				if err != nil {
					return err
				}
				about := struct {
					Name string `json:"name"`
					ARN  string `json:"iamUserArn"`
					File string `json:"file"`
				}{args[0], *host.IAMUserARN, out}
				return print(c.OutOrStdout(), output, about, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "host %s is registered as %s; start its agent with\n  crossfade agent --endpoint %s --config %s --root DIR\n", about.Name, about.ARN, client.Endpoint, about.File)
					return err
				})
			})
		},
	}
	at.addFlags(c)
	c.Flags().StringArrayVar(&tags, "tag", nil, "Key=Value; may be given several times")
	c.Flags().StringVar(&identity, "identity", "", "ARN of the EC2 instance that the host is (default: an identity made of the name)")
	c.Flags().StringVar(&out, "out", "", "file to write; must not exist (required)")
	cobra.CheckErr(c.MarkFlagRequired("out"))
	addOutputFlag(c, &output)
	return c
}

// addHost makes the file first: a host whose only key could not be written down would have to be taken away again.
func addHost(ctx context.Context, client *operator.Client, in operator.AddHostInput, path string) (_ operator.AddHostOutput, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return operator.AddHostOutput{}, &usageError{fmt.Errorf("make the host's file: %w", err)}
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	host, err := client.AddHost(ctx, in)
	if err != nil {
		return host, err
	}
	content, err := yaml.Marshal(hostFile{*host.Region, *host.IAMUserARN, *host.AccessKeyID, *host.SecretAccessKey})
	if err != nil {
		return host, err
	}
	if _, err := file.Write(append([]byte("---\n"), content...)); err != nil {
		return host, fmt.Errorf("write the host's file: %w; take the host away with crossfade host remove %s", err, *in.Name)
	}
	return host, nil
}

func newHostRemoveCommand() *cobra.Command {
	var at reach
	c := &cobra.Command{
		Use: "remove NAME", Short: "Take a host away", Args: cobra.ExactArgs(1),
		Long: `Take a host away: its access key ends at once, and its instance is deregistered. A host that there is not is no error.

` + reachHelp,
		Example: "  crossfade host remove web-1",
		RunE: func(c *cobra.Command, args []string) error {
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				if err := client.RemoveHost(ctx, operator.RemoveHostInput{Name: &args[0]}); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "host %s is removed\n", args[0])
				return err
			})
		},
	}
	at.addFlags(c)
	return c
}
