// Package autoscaling is the fleet of an AWS account: its Auto Scaling groups and EC2 instances in one region, or whatever else speaks the two
// services' protocols.
//
// It keeps nothing and starts no goroutine: each question is put to AWS, and what AWS says is so. Copies of groups are made in one call, which
// AWS takes whole or not at all. An instance's agent signs with the identity of the registered on-premises instance that carries the tag
// InstanceTag with the instance's id, else with the instance's own ARN. The package knows nothing of deployments. A [Driver] is safe for
// concurrent use.
package autoscaling
