package operator

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// HostFile is the host's identity as the on-premises configuration file that the official agent and ours read. It holds the host's secret.
func (out *AddHostOutput) HostFile() ([]byte, error) {
	if out.Region == nil || out.IAMUserARN == nil || out.AccessKeyID == nil || out.SecretAccessKey == nil {
		return nil, errors.New("make a host file: the identity is not whole")
	}
	content, err := yaml.Marshal(struct {
		Region          string `yaml:"region"`
		IAMUserARN      string `yaml:"iam_user_arn"`
		AccessKeyID     string `yaml:"aws_access_key_id"`
		SecretAccessKey string `yaml:"aws_secret_access_key"`
	}{*out.Region, *out.IAMUserARN, *out.AccessKeyID, *out.SecretAccessKey})
	if err != nil {
		return nil, fmt.Errorf("make a host file: %w", err)
	}
	return append([]byte("---\n"), content...), nil
}
