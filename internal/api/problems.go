package api

import (
	"fmt"
	"regexp"
	"sync"
	"unicode/utf8"

	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// precedence is the order in which problems of form are reported, whatever order they were found in: first what is missing, then what is
// malformed, each in the order of the operations' tables. It is one list because no two operations disagree about it.
var precedence = []wire.Code{
	control.ResourceArnRequiredException,
	control.ApplicationNameRequiredException,
	control.DeploymentGroupNameRequiredException,
	control.DeploymentConfigNameRequiredException,
	control.RoleRequiredException,
	control.DeploymentIdRequiredException,
	control.DeploymentTargetIdRequiredException,
	control.InstanceIdRequiredException,
	control.InstanceNameRequiredException,
	control.RevisionRequiredException,
	control.TagRequiredException,
	control.BucketNameFilterRequiredException,
	control.GitHubAccountTokenNameRequiredException,
	control.IamArnRequiredException,

	control.InvalidArnException,
	control.ArnNotSupportedException,
	control.InvalidApplicationNameException,
	control.InvalidDeploymentGroupNameException,
	control.InvalidDeploymentConfigNameException,
	control.InvalidDeploymentIdException,
	control.InvalidDeploymentTargetIdException,
	control.InvalidInstanceNameException,
	control.MultipleIamArnsProvidedException,
	control.InvalidIamUserArnException,
	control.InvalidIamSessionArnException,
	control.InvalidDeploymentWaitTypeException,
	control.InvalidLifecycleEventHookExecutionIdException,
	control.InvalidLifecycleEventHookExecutionStatusException,
	control.InvalidComputePlatformException,
	control.InvalidMinimumHealthyHostValueException,
	control.DescriptionTooLongException,
	control.InvalidRevisionException,
	control.InvalidRoleException,
	control.InvalidEC2TagCombinationException,
	control.InvalidOnPremisesTagCombinationException,
	control.InvalidEC2TagException,
	control.InvalidTagException,
	control.TagSetListLimitExceededException,
	control.InvalidAutoScalingGroupException,
	control.InvalidTriggerConfigException,
	control.TriggerTargetsLimitExceededException,
	control.InvalidAlarmConfigException,
	control.AlarmsLimitExceededException,
	control.InvalidAutoRollbackConfigException,
	control.InvalidFileExistsBehaviorException,
	control.InvalidIgnoreApplicationStopFailuresValueException,
	control.InvalidUpdateOutdatedInstancesOnlyValueException,
	control.InvalidTargetInstancesException,
	control.InvalidDeploymentStyleException,
	control.InvalidBlueGreenDeploymentConfigurationException,
	control.InvalidLoadBalancerInfoException,
	control.InvalidTargetGroupPairException,
	control.InvalidECSServiceException,
	control.InvalidTrafficRoutingConfigurationException,
	control.InvalidZonalDeploymentConfigurationException,
	control.InvalidInputException,
	control.InvalidTagsToAddException,
	control.InstanceLimitExceededException,
	control.TagLimitExceededException,
	control.BatchLimitExceededException,
	control.DeploymentTargetListSizeExceededException,
	control.InvalidTargetFilterNameException,
	control.InvalidInstanceStatusException,
	control.InvalidInstanceTypeException,
	control.InvalidDeploymentStatusException,
	control.InvalidTimeRangeException,
	control.InvalidExternalIdException,
	control.InvalidGitHubAccountTokenNameException,
	control.InvalidGitHubAccountTokenException,
	control.InvalidSortByException,
	control.InvalidSortOrderException,
	control.InvalidBucketNameFilterException,
	control.InvalidKeyPrefixFilterException,
	control.InvalidDeployedStateFilterException,
	control.InvalidRegistrationStatusException,
	control.InvalidTagFilterException,
	control.InvalidNextTokenException,
}

// rank is a code's place in precedence; codes that are not in it come last.
func rank(code wire.Code) int {
	for i, c := range precedence {
		if c == code {
			return i
		}
	}
	return len(precedence)
}

// problems collects what is wrong with the form of an input.
type problems struct{ first *wire.Error }

// add notes a problem; the message is one sentence.
func (p *problems) add(code wire.Code, format string, args ...any) {
	if p.first == nil || rank(code) < rank(p.first.Code) {
		p.first = &wire.Error{Code: code, Message: fmt.Sprintf(format, args...)}
	}
}

// err returns the problem to report, or nil.
func (p *problems) err() error {
	if p.first == nil {
		return nil
	}
	return p.first
}

// check starts the checks of an operation with the constraints of the model.
func (s *Service) check(operation string, in wire.Input) *problems {
	p := &problems{}
	for _, v := range in.Validate() {
		p.add(explain(s.declared[operation], v), "%s.", v)
	}
	return p
}

// require notes an absent or empty member that the model does not call required.
func (p *problems) require(code wire.Code, member string, v *string) {
	if value(v) == "" {
		p.add(code, "%s is required.", member)
	}
}

var namePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9._+=,@-]{1,100}$`) })

// name notes a name that is there and has a form that names may not have.
func (p *problems) name(code wire.Code, member string, v *string) {
	if value(v) != "" && !namePattern().MatchString(*v) {
		p.add(code, "%s %s is not a valid name: use 1 to 100 letters, digits and the characters . _ + = , @ -", member, quote(*v))
	}
}

// names checks each name of a list; an empty one is invalid.
func (p *problems) names(code wire.Code, member string, list []string) {
	for i, n := range list {
		if !namePattern().MatchString(n) {
			p.add(code, "%s[%d] %s is not a valid name: use 1 to 100 letters, digits and the characters . _ + = , @ -", member, i, quote(n))
		}
	}
}

// atMost notes a list that is too long.
func (p *problems) atMost(code wire.Code, member string, n, most int) {
	if n > most {
		p.add(code, "%s has %d entries, and at most %d are allowed in one call.", member, n, most)
	}
}

const maxDescription = 256

func (p *problems) description(v *string) {
	if n := utf8.RuneCountInString(value(v)); n > maxDescription {
		p.add(control.DescriptionTooLongException, "description has %d characters, and at most %d are allowed.", n, maxDescription)
	}
}

var deploymentIDPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^d-[A-Z0-9]{9}$`) })

// deploymentID notes a missing or malformed id. The model does not call the member required everywhere, the API does.
func (p *problems) deploymentID(v *string) {
	p.require(control.DeploymentIdRequiredException, "deploymentId", v)
	if value(v) != "" && !deploymentIDPattern().MatchString(*v) {
		p.add(control.InvalidDeploymentIdException, "deploymentId %s is not a deployment id: it is d- and nine of A-Z and 0-9, as in d-75I7MBT7C.", quote(*v))
	}
}

// quote puts a caller's text into a message without letting it take the message over.
func quote(s string) string {
	const most = 120
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
