package autoscaling

import "strings"

// partition is a part of AWS: what ARNs call it, and the domain that its services' names end with.
type partition struct {
	name, suffix string
}

// partitions are those other than the first, by how their regions' names begin, as the SDK's endpoint rules have them.
var partitions = []struct {
	prefix string
	partition
}{
	{"cn-", partition{"aws-cn", "amazonaws.com.cn"}},
	{"us-gov-", partition{"aws-us-gov", "amazonaws.com"}},
	{"eusc-", partition{"aws-eusc", "amazonaws.eu"}},
	{"us-iso-", partition{"aws-iso", "c2s.ic.gov"}},
	{"us-isob-", partition{"aws-iso-b", "sc2s.sgov.gov"}},
	{"eu-isoe-", partition{"aws-iso-e", "cloud.adc-e.uk"}},
	{"us-isof-", partition{"aws-iso-f", "csp.hci.ic.gov"}},
}

// partitionOf is the part that a region is in.
func partitionOf(region string) partition {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return partition{"aws", "amazonaws.com"}
}
