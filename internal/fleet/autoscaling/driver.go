package autoscaling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/smithy-go"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// InstanceTag is the tag of a registered on-premises instance that says which EC2 instance it is. The name can't say it: CodeDeploy keeps the
// form of EC2 ids from on-premises instances.
const InstanceTag = "crossfade:ec2-instance"

// answerTime is how long AWS may take to begin an answer.
const answerTime = 30 * time.Second

// Registry is what is known of registered instances.
type Registry interface {
	Instances(ctx context.Context, account string, f store.InstanceFilter, p store.Page) ([]deploy.Instance, error)
}

// Options say where the groups are, and as whom to ask.
type Options struct {
	Account  string // that the groups belong to here; for any other there are none
	Region   string
	Endpoint string // of both services; empty: AWS's own of the region
	// AccessKeyID and SecretAccessKey sign the requests. Both empty: the AWS SDK's own chain finds them.
	AccessKeyID, SecretAccessKey string
	Registry                     Registry
	HTTP                         *http.Client // nil: one of the package's own
}

// Driver is the fleet.
type Driver struct {
	account  string
	region   string
	registry Registry
	groups   *autoscaling.Client
	machines *machines
}

var _ fleet.Driver = (*Driver)(nil)

// New makes a driver. It asks AWS nothing.
func New(ctx context.Context, o Options) (*Driver, error) {
	if o.Region == "" {
		return nil, errors.New("the Auto Scaling groups have no region: name the one that they are in, such as us-east-1")
	}
	c := aws.Config{Region: o.Region}
	if o.HTTP != nil {
		c.HTTPClient = o.HTTP
	} else {
		c.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answerTime })
	}
	switch {
	case (o.AccessKeyID == "") != (o.SecretAccessKey == ""):
		return nil, errors.New("the Auto Scaling groups have half of an access key: give both its id and its secret, or neither")
	case o.AccessKeyID != "":
		c.Credentials = credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, "")
	default:
		// Only credentials are taken from the surroundings: an endpoint found there would as a rule be Crossfade's own.
		chain, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region))
		if err != nil {
			return nil, fmt.Errorf("find credentials for Auto Scaling: %w", err)
		}
		c.Credentials = chain.Credentials
	}
	if o.Endpoint != "" {
		c.BaseEndpoint = aws.String(o.Endpoint)
	}
	return &Driver{
		account: o.Account, region: o.Region, registry: o.Registry, groups: autoscaling.NewFromConfig(c), machines: newMachines(c, o.Endpoint),
	}, nil
}

// ours reports whether the account is the one whose groups these are.
func (d *Driver) ours(account string) bool { return account == d.account }

// Changes implements fleet.Scaling: AWS has to be asked.
func (d *Driver) Changes() <-chan struct{} { return nil }

// refused reports whether AWS refused a call with the code and one of the texts in its message; no text: with the code.
func refused(err error, code string, texts ...string) bool {
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		return false
	}
	for _, t := range texts {
		if strings.Contains(strings.ToLower(e.ErrorMessage()), t) {
			return true
		}
	}
	return len(texts) == 0
}

// The codes of refusals, as the API reference of Auto Scaling lists them.
const (
	codeValidation = "ValidationError"
	codeInProgress = "ScalingActivityInProgress"
	codeInUse      = "ResourceInUse"
	codeContention = "ResourceContention"
	codeExists     = "AlreadyExists"
)

// hosts knows which identities agents of EC2 instances sign with.
type hosts map[string]string

// hosts reads the registered instances that say which EC2 instance they are.
func (d *Driver) hosts(ctx context.Context) (hosts, error) {
	registered, err := d.registry.Instances(ctx, d.account, store.InstanceFilter{
		Registration: "Registered", Tags: []deploy.TagFilter{{Key: InstanceTag, Type: deploy.KeyOnly}},
	}, store.Page{})
	if err != nil {
		return nil, fmt.Errorf("list registered instances: %w", err)
	}
	h := hosts{}
	for _, i := range registered {
		h[i.Tags[InstanceTag]] = i.Host()
	}
	return h, nil
}

// instance is an EC2 instance as deployments know it. partition and owner are those of its ARN.
func (d *Driver) instance(h hosts, partition, owner, id, zone string) fleet.Instance {
	i := fleet.Instance{Name: id, Zone: zone, ARN: fmt.Sprintf("arn:%s:ec2:%s:%s:instance/%s", partition, d.region, owner, id)}
	i.Host = i.ARN
	if host, ok := h[id]; ok {
		i.Host = host
	}
	return i
}
