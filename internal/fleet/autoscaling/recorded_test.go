package autoscaling_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"crossfade/internal/fleet"
	"crossfade/internal/fleet/autoscaling"
)

// recorded answers calls by their action, in the form of the API reference, and remembers them. An answer that is an error begins with its code and
// a colon. Several answers are given one after the other, the last one for ever.
type recorded struct {
	answers map[string][]string
	mu      sync.Mutex
	calls   []string // action and the values that matter
}

func (r *recorded) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if err := q.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	action := q.Form.Get("Action")
	if !strings.HasPrefix(action, "Describe") {
		var said []string
		for key, values := range q.Form {
			if key != "Action" && key != "Version" {
				said = append(said, key+"="+values[0])
			}
		}
		slices.Sort(said)
		r.calls = append(r.calls, action+" "+strings.Join(said, " "))
	}
	answer := ""
	if all := r.answers[action]; len(all) > 0 {
		answer = all[0]
		if len(all) > 1 {
			r.answers[action] = all[1:]
		}
	}
	w.Header().Set("Content-Type", "text/xml")
	if code, message, isError := strings.Cut(answer, ": "); isError && !strings.HasPrefix(answer, "<") {
		w.WriteHeader(http.StatusBadRequest)
		if action == "TerminateInstances" { // EC2 has a form of its own
			fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>r</RequestID></Response>`, code, message)
			return
		}
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, message)
		return
	}
	if action == "DescribeInstances" {
		fmt.Fprintf(w, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">%s</DescribeInstancesResponse>`, answer)
		return
	}
	fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></%[1]sResponse>`, action, answer)
}

// group is the answer that describes the group web with an instance in the state.
func group(status, state string) string {
	return `<AutoScalingGroups><member><AutoScalingGroupName>web</AutoScalingGroupName>
		<AutoScalingGroupARN>arn:aws:autoscaling:eu-test-1:210987654321:autoScalingGroup:u:autoScalingGroupName/web</AutoScalingGroupARN>
		<MinSize>2</MinSize><MaxSize>3</MaxSize><DesiredCapacity>2</DesiredCapacity>` + status + `
		<LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId><LaunchTemplateName>web</LaunchTemplateName><Version>$Latest</Version></LaunchTemplate>
		<VPCZoneIdentifier>subnet-1,subnet-2</VPCZoneIdentifier><AvailabilityZones><member>a</member></AvailabilityZones>
		<TargetGroupARNs><member>arn:tg</member></TargetGroupARNs>
		<TrafficSources><member><Identifier>arn:tg</Identifier><Type>elbv2</Type></member></TrafficSources>
		<Tags><member><Key>aws:cloudformation:stack-name</Key><Value>s</Value></member>
			<member><Key>Environment</Key><Value>blue</Value><PropagateAtLaunch>true</PropagateAtLaunch></member></Tags>
		<Instances><member><InstanceId>i-0123456789abcdef0</InstanceId><AvailabilityZone>eu-test-1a</AvailabilityZone><LifecycleState>` + state + `</LifecycleState></member></Instances>
	</member></AutoScalingGroups>`
}

const hookList = `<LifecycleHooks>
	<member><LifecycleHookName>CodeDeploy-managed-automatic-termination-deployment-hook-g-1</LifecycleHookName><AutoScalingGroupName>web</AutoScalingGroupName>
		<LifecycleTransition>autoscaling:EC2_INSTANCE_TERMINATING</LifecycleTransition></member>
	<member><LifecycleHookName>theirs</LifecycleHookName><AutoScalingGroupName>web</AutoScalingGroupName>
		<LifecycleTransition>autoscaling:EC2_INSTANCE_LAUNCHING</LifecycleTransition><HeartbeatTimeout>60</HeartbeatTimeout><DefaultResult>CONTINUE</DefaultResult>
		<NotificationTargetARN>arn:topic</NotificationTargetARN><RoleARN>arn:role</RoleARN></member>
</LifecycleHooks>`

const instances = `<reservationSet><item><ownerId>210987654321</ownerId><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId>
	<privateIpAddress>10.0.0.1</privateIpAddress><placement><availabilityZone>eu-test-1a</availabilityZone></placement></item></instancesSet></item></reservationSet>`

func member(state string) string {
	return `<AutoScalingInstances><member><InstanceId>i-0123456789abcdef0</InstanceId><AutoScalingGroupName>web</AutoScalingGroupName><LifecycleState>` +
		state + `</LifecycleState></member></AutoScalingInstances>`
}

func play(t *testing.T, answers map[string][]string) (*autoscaling.Driver, *recorded) {
	t.Helper()
	r := &recorded{answers: answers}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	d := must[*autoscaling.Driver](t)(autoscaling.New(t.Context(), autoscaling.Options{
		Account: account, Region: "eu-test-1", Endpoint: s.URL, AccessKeyID: "A", SecretAccessKey: "B", Registry: registry(nil),
	}))
	return d, r
}

func (r *recorded) want(t *testing.T, calls ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.calls, calls) {
		t.Errorf("the calls are\n%s\nwant\n%s", strings.Join(r.calls, "\n"), strings.Join(calls, "\n"))
	}
	r.calls = nil
}

func TestWaitingAtATerminationHook(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const name = "CodeDeploy-managed-automatic-termination-deployment-hook-g-1"
	d, r := play(t, map[string][]string{"DescribeAutoScalingGroups": {group("", "Terminating:Wait")}, "DescribeLifecycleHooks": {hookList}})
	if err := d.SetHook(ctx, account, "web", fleet.Hook{Name: name, Termination: true}); err != nil {
		t.Error(err)
	}
	if err := d.SetHook(ctx, account, "web", fleet.Hook{Name: "in"}); err != nil {
		t.Error(err)
	}
	r.want(t,
		"PutLifecycleHook AutoScalingGroupName=web DefaultResult=CONTINUE HeartbeatTimeout=600 LifecycleHookName="+name+" LifecycleTransition=autoscaling:EC2_INSTANCE_TERMINATING",
		"PutLifecycleHook AutoScalingGroupName=web DefaultResult=ABANDON HeartbeatTimeout=600 LifecycleHookName=in LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING")
	all := must[[]fleet.Waiting](t)(d.Waiting(ctx, account, []string{"web"}))
	arn := "arn:aws:ec2:eu-test-1:210987654321:instance/i-0123456789abcdef0"
	want := fleet.Waiting{Group: "web", Hook: fleet.Hook{Name: name, Termination: true}, Instance: fleet.Instance{Name: "i-0123456789abcdef0", ARN: arn, Host: arn, Zone: "eu-test-1a"}}
	if len(all) != 1 || all[0] != want {
		t.Fatalf("waiting are %+v", all)
	}
	for _, err := range []error{d.Heartbeat(ctx, account, want), d.Complete(ctx, account, want, true), d.Complete(ctx, account, want, false), d.RemoveHook(ctx, account, "web", name)} {
		if err != nil {
			t.Error(err)
		}
	}
	said := "AutoScalingGroupName=web InstanceId=i-0123456789abcdef0 LifecycleActionResult=%s LifecycleHookName=" + name
	r.want(t,
		"RecordLifecycleActionHeartbeat AutoScalingGroupName=web InstanceId=i-0123456789abcdef0 LifecycleHookName="+name,
		"CompleteLifecycleAction "+fmt.Sprintf(said, "CONTINUE"), "CompleteLifecycleAction "+fmt.Sprintf(said, "ABANDON"),
		"CompleteLifecycleAction "+fmt.Sprintf(said, "CONTINUE"), // before its hook goes
		"DeleteLifecycleHook AutoScalingGroupName=web LifecycleHookName="+name)
}

func TestACopyIsOneCall(t *testing.T) {
	t.Parallel()
	const none = `<AutoScalingGroups></AutoScalingGroups>`
	d, r := play(t, map[string][]string{"DescribeAutoScalingGroups": {group("", "InService"), none}, "DescribeLifecycleHooks": {hookList}})
	if err := d.Copy(t.Context(), account, "web", "copy", 1); err != nil {
		t.Fatal(err)
	}
	r.want(t, "CreateAutoScalingGroup AutoScalingGroupName=copy DesiredCapacity=1 LaunchTemplate.LaunchTemplateId=lt-1 LaunchTemplate.Version=$Latest "+
		"LifecycleHookSpecificationList.member.1.DefaultResult=CONTINUE LifecycleHookSpecificationList.member.1.HeartbeatTimeout=60 "+
		"LifecycleHookSpecificationList.member.1.LifecycleHookName=theirs "+
		"LifecycleHookSpecificationList.member.1.LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING "+
		"LifecycleHookSpecificationList.member.1.NotificationTargetARN=arn:topic LifecycleHookSpecificationList.member.1.RoleARN=arn:role "+
		"MaxSize=3 MinSize=1 Tags.member.1.Key=Environment Tags.member.1.PropagateAtLaunch=true Tags.member.1.ResourceId=copy "+
		"Tags.member.1.ResourceType=auto-scaling-group Tags.member.1.Value=blue TargetGroupARNs.member.1=arn:tg VPCZoneIdentifier=subnet-1,subnet-2")
}

func TestACopyThatAnotherServerMadeIsTheCopy(t *testing.T) {
	t.Parallel()
	d, _ := play(t, map[string][]string{
		"DescribeAutoScalingGroups": {group("", "InService"), `<AutoScalingGroups></AutoScalingGroups>`},
		"CreateAutoScalingGroup":    {"AlreadyExists: AutoScalingGroup by this name already exists"},
	})
	if err := d.Copy(t.Context(), account, "web", "copy", 9); err != nil {
		t.Error(err)
	}
}

func TestADeletionIsAskedForOnce(t *testing.T) {
	t.Parallel()
	d, r := play(t, map[string][]string{
		"DescribeAutoScalingGroups": {group("", "InService"), group("", "InService"), group("<Status>Delete in progress</Status>", "Terminating"), `<AutoScalingGroups></AutoScalingGroups>`},
		"DeleteAutoScalingGroup":    {"ScalingActivityInProgress: activities are in progress", ""},
	})
	for i, want := range []bool{false, false, false, true, true} {
		if gone, err := d.Delete(t.Context(), account, "web"); err != nil || gone != want {
			t.Errorf("question %d: gone %v, %v", i, gone, err)
		}
	}
	r.want(t, "DeleteAutoScalingGroup AutoScalingGroupName=web ForceDelete=true", "DeleteAutoScalingGroup AutoScalingGroupName=web ForceDelete=true")
}

func TestTerminatingMembers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers map[string][]string
		note    string
		calls   []string
	}{
		"alone": {map[string][]string{}, "", []string{"TerminateInstances InstanceId.1=i-0123456789abcdef0"}},
		"protected": {map[string][]string{"TerminateInstances": {"OperationNotPermitted: The instance may not be terminated."}},
			"could not be terminated: The instance may not be terminated.", []string{"TerminateInstances InstanceId.1=i-0123456789abcdef0"}},
		"a member": {map[string][]string{"DescribeAutoScalingInstances": {member("InService")}, "DescribeAutoScalingGroups": {group("", "InService")}}, "",
			[]string{"TerminateInstanceInAutoScalingGroup InstanceId=i-0123456789abcdef0 ShouldDecrementDesiredCapacity=true"}},
		"one of too few": {map[string][]string{
			"DescribeAutoScalingInstances": {member("InService")}, "DescribeAutoScalingGroups": {group("", "InService")},
			"TerminateInstanceInAutoScalingGroup": {"ValidationError: desiredSize equals minSize (2)."},
		}, "Instance i-0123456789abcdef0 of the Auto Scaling group web could not be terminated: desiredSize equals minSize (2).",
			[]string{"TerminateInstanceInAutoScalingGroup InstanceId=i-0123456789abcdef0 ShouldDecrementDesiredCapacity=true"}},
		"ending already": {map[string][]string{"DescribeAutoScalingInstances": {member("Terminating")}}, "", nil},
		"of a group that is being deleted": {map[string][]string{
			"DescribeAutoScalingInstances": {member("InService")}, "DescribeAutoScalingGroups": {group("<Status>Delete in progress</Status>", "InService")},
		}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.answers["DescribeInstances"] = []string{instances}
			d, r := play(t, tt.answers)
			notes, err := d.Terminate(t.Context(), account, []string{"i-0123456789abcdef0"})
			if err != nil || (tt.note == "") != (len(notes) == 0) || tt.note != "" && !strings.Contains(notes[0], tt.note) {
				t.Errorf("notes %v, %v", notes, err)
			}
			r.want(t, tt.calls...)
		})
	}
}
