package autoscaling

import "testing"

func TestPartitions(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]partition{
		"us-east-1": {"aws", "amazonaws.com"}, "eu-west-3": {"aws", "amazonaws.com"}, "cn-north-1": {"aws-cn", "amazonaws.com.cn"},
		"us-gov-west-1": {"aws-us-gov", "amazonaws.com"}, "eusc-de-east-1": {"aws-eusc", "amazonaws.eu"}, "us-iso-east-1": {"aws-iso", "c2s.ic.gov"},
		"us-isob-east-1": {"aws-iso-b", "sc2s.sgov.gov"}, "us-isof-south-1": {"aws-iso-f", "csp.hci.ic.gov"}, "eu-isoe-west-1": {"aws-iso-e", "cloud.adc-e.uk"},
	} {
		if got := partitionOf(region); got != want {
			t.Errorf("%s is in %+v, want %+v", region, got, want)
		}
	}
}
