package test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/counterpart"
)

// configured starts the server anew with more configuration.
func (s *stand) configured(more string) {
	s.t.Helper()
	s.server.stop()
	s.write("crossfade.yaml", s.read("crossfade.yaml")+more)
	s.startServer()
}

// broken is an alarm source that can't be read, and counts how often that was tried, so that a test can wait for looks at the alarms instead of
// for time.
type broken struct {
	url   string
	tries atomic.Int64
}

func breakSource(t *testing.T) *broken {
	t.Helper()
	b := &broken{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b.tries.Add(1)
		http.Error(w, "out of order", http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// since waits until more than that many tries have followed the first ones, of which the last may still be under way.
func (b *broken) since(s *stand, first, more int64) {
	s.t.Helper()
	s.until("the alarms have been looked at", func() error {
		if n := b.tries.Load() - first; n <= more {
			return fmt.Errorf("%d times, want more than %d", n, more)
		}
		return nil
	})
}

// alarmed gives a group alarms, and rolls back what they stop.
func alarmed(ignore bool, names ...string) func(*codedeploy.CreateDeploymentGroupInput) {
	return func(in *codedeploy.CreateDeploymentGroupInput) {
		in.AlarmConfiguration = &types.AlarmConfiguration{Enabled: true, IgnorePollAlarmFailure: ignore}
		for _, name := range names {
			in.AlarmConfiguration.Alarms = append(in.AlarmConfiguration.Alarms, types.Alarm{Name: &name})
		}
		in.AutoRollbackConfiguration = &types.AutoRollbackConfiguration{Enabled: true, Events: []types.AutoRollbackEvent{types.AutoRollbackEventDeploymentStopOnAlarm}}
	}
}

// alarmStops waits until a deployment has been stopped with the error code and a message that says all the parts.
func (s *stand) alarmStops(id string, code types.ErrorCode, parts ...string) *types.DeploymentInfo {
	s.t.Helper()
	i := s.awaitEnd(id)
	if i.Status != types.DeploymentStatusStopped || i.ErrorInformation == nil || i.ErrorInformation.Code != code {
		s.t.Fatalf("%s is %s, %+v, want Stopped with %s\n%s", id, i.Status, i.ErrorInformation, code, s.targets(id))
	}
	says(s.t, aws.ToString(i.ErrorInformation.Message), parts...)
	return i
}

// awaitStopping waits until a deployment is being stopped, while a script of it still runs.
func (s *stand) awaitStopping(id string) {
	s.t.Helper()
	s.await(id, "it is being stopped", func(i *types.DeploymentInfo) bool {
		return slices.ContainsFunc(i.DeploymentStatusMessages, func(m string) bool { return strings.HasPrefix(m, "It is ending as Stopped") })
	})
}

// noRollback holds that a stopped deployment says why it needed no rollback.
func noRollback(t *testing.T, i *types.DeploymentInfo, why string) {
	t.Helper()
	if r := i.RollbackInfo; r == nil || r.RollbackDeploymentId != nil || !strings.Contains(aws.ToString(r.RollbackMessage), why) {
		t.Errorf("rollbackInfo of %s is %+v, want one that says %q", aws.ToString(i.DeploymentId), r, why)
	}
}

// TestAlarmsOfPrometheus raises and clears an alarm, of which a Prometheus that scrapes the test knows, in each stretch of a blue/green deployment,
// and tries out on another host what becomes of deployments in the middle of an installation and of those whose alarms can't be read.
func TestAlarmsOfPrometheus(t *testing.T) {
	t.Parallel()
	var failures atomic.Int64
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "shop_errors{service=\"shop\"} %d\n", failures.Load())
	}))
	t.Cleanup(shop.Close)
	real := counterpart.Prometheus(t, "", strings.TrimPrefix(shop.URL, "http://"))
	dark := breakSource(t)
	s := newStand(t)
	s.configured(fmt.Sprintf(`alarms:
  interval: 1s
  prometheus:
    - url: %s
      alarms: [{name: shop errors, expr: 'shop_errors{service="shop"} > 5'}, {name: shop is away, expr: 'up{job="tested"} == 0'}]
    - url: %s
      alarms: [{name: dark, expr: vector(1)}]
`, real, dark.url))
	set := func(t *testing.T, n int64) {
		t.Helper()
		failures.Store(n)
		s.on(t).until("Prometheus has seen it", func() error {
			res, err := http.Get(real + "/api/v1/query?query=" + url.QueryEscape(fmt.Sprintf("shop_errors == %d", n)))
			if err != nil {
				return err
			}
			body, err := io.ReadAll(res.Body)
			if err = errors.Join(err, res.Body.Close()); err == nil && !strings.Contains(string(body), `"shop"`) {
				err = errors.New(string(body))
			}
			return err
		})
	}
	s.shop(alarmed(false, "shop is away", "shop errors"))
	s.addHost("n-1", "web")
	for _, v := range []string{"v1", "v2"} {
		s.upload("record-"+v+".zip", recorder(t, v))
	}
	s.createApplication("site")
	s.createGroup("site", "web", "web", alarmed(false, "shop errors"))
	s.succeeds(s.begin("site", "web", "record-v1.zip"))

	s.aloneAlarms(set, dark)
	s.blueGreenAlarms(set)
}

// turn is one of several cases of which each begins where the one before left off.
type turn struct {
	name string
	run  func(*stand)
}

func (s *stand) inTurn(turns []turn) {
	for _, c := range turns {
		if !s.t.Run(c.name, func(t *testing.T) { c.run(s.on(t)) }) {
			return
		}
	}
}

// aloneAlarms is what happens in place, without a balancer.
func (s *stand) aloneAlarms(set func(*testing.T, int64), dark *broken) {
	hosts := []string{"n-1"}
	group := func(s *stand, change func(*codedeploy.CreateDeploymentGroupInput)) {
		s.t.Helper()
		var in codedeploy.CreateDeploymentGroupInput
		change(&in)
		if _, err := s.deploy.UpdateDeploymentGroup(s.t.Context(), &codedeploy.UpdateDeploymentGroupInput{
			ApplicationName: aws.String("site"), CurrentDeploymentGroupName: aws.String("web"), AlarmConfiguration: in.AlarmConfiguration,
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	held := func(s *stand) string {
		s.t.Helper()
		s.touch("hold-BeforeInstall", hosts...)
		id := s.begin("site", "web", "record-v2.zip")
		s.awaitRun("n-1", id, "BeforeInstall")
		return id
	}
	restored := func(s *stand, id string) {
		s.t.Helper()
		if back := s.rolledBack(id, types.DeploymentStatusStopped); aws.ToString(back.Revision.S3Location.Key) != "record-v1.zip" {
			s.t.Errorf("the rollback brought %s back", *back.Revision.S3Location.Key)
		}
		for _, line := range s.runs("n-1") {
			if line[0] == id && line[2] == "ApplicationStart" {
				s.t.Errorf("%s went on after the alarm:\n%s", id, s.read(filepath.Join("n-1", "log")))
			}
		}
	}
	s.inTurn([]turn{
		{"raised in the middle of an installation", func(s *stand) {
			id := held(s)
			set(s.t, 6)
			s.awaitStopping(id)
			set(s.t, 0) // which is too late
			s.remove("hold-BeforeInstall", hosts...)
			s.alarmStops(id, types.ErrorCodeAlarmActive, "<shop errors>")
			restored(s, id)
		}},
		{"a source that can't be read", func(s *stand) {
			group(s, alarmed(false, "shop errors", "dark"))
			id := held(s)
			s.awaitStopping(id)
			s.remove("hold-BeforeInstall", hosts...)
			s.alarmStops(id, types.ErrorCodeInternalError, "3 times in a row", "alarms.prometheus[1]", `"dark"`, "500", "set ignorePollAlarmFailure")
			restored(s, id)
		}},
		{"a source that can't be read and needn't be", func(s *stand) {
			group(s, alarmed(true, "dark", "nobody knows it"))
			first := dark.tries.Load()
			id := held(s)
			dark.since(s, first, 3) // which would stop a deployment that minds
			s.remove("hold-BeforeInstall", hosts...)
			s.succeeds(id)
		}},
	})
}

// blueGreenAlarms is what happens in the waits of a blue/green deployment, while a visitor looks on.
func (s *stand) blueGreenAlarms(set func(*testing.T, int64)) {
	v2 := s.upload("v2.zip", bundle(s.t, "v2", nil))
	v := s.visit()
	s.inTurn([]turn{
		{"raised in the Ready wait", func(s *stand) {
			id := s.blueGreen(v2, nil)
			s.awaitStatus(id, types.DeploymentStatusReady)
			set(s.t, 6)
			noRollback(s.t, s.alarmStops(id, types.ErrorCodeAlarmActive, "Activated alarms: <shop errors>"), "no traffic had been rerouted")
			if versions, _ := v.answers(); versions["v2"] != 0 {
				s.t.Errorf("v2 answered before it was approved: %v", versions)
			}
		}},
		{"active already", func(s *stand) {
			id := s.blueGreen(v2, nil)
			noRollback(s.t, s.alarmStops(id, types.ErrorCodeAlarmActive, "Activated alarms: <shop errors>"), "no traffic had been rerouted")
		}},
		{"overridden", func(s *stand) {
			id := s.blueGreen(v2, func(in *codedeploy.CreateDeploymentInput) {
				in.OverrideAlarmConfiguration = &types.AlarmConfiguration{Enabled: false}
			})
			s.awaitStatus(id, types.DeploymentStatusReady)
			s.halt(id, nil)
			s.awaitEnd(id)
		}},
		{"raised in the termination wait", func(s *stand) {
			set(s.t, 0)
			id := s.blueGreen(v2, nil)
			s.awaitStatus(id, types.DeploymentStatusReady)
			s.goOn(id, types.DeploymentWaitTypeReadyWait)
			s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
			s.until("v2 answers", func() error {
				if _, last := v.answers(); last != "v2" {
					return errors.New(last)
				}
				return nil
			})
			set(s.t, 6)
			s.alarmStops(id, types.ErrorCodeAlarmActive, "Activated alarms: <shop errors>")
			s.rolledBack(id, types.DeploymentStatusStopped) // although the alarm is still raised
			if got := s.share("v1"); got != 100 {
				s.t.Errorf("v1 answers %d %% of the requests after the rollback", got)
			}
		}},
	})
	v.end()
	if n := v.failed.Load(); n > 0 {
		s.t.Errorf("%d of %d requests failed, the last with %s", n, v.requests.Load(), v.failure)
	}
}

// TestAlarmsOfCloudWatch stops a deployment by an alarm that moto_server plays, all by the ordinary aws command line.
func TestAlarmsOfCloudWatch(t *testing.T) {
	t.Parallel()
	moto := counterpart.Moto(t)
	s := newStand(t)
	s.configured(fmt.Sprintf(`alarms:
  interval: 1s
  cloudWatch: [{endpoint: '%s', region: eu-west-1, accessKeyId: KEY, secretAccessKey: a-secret-key}]
`, moto))
	cloud := func(args ...string) {
		t.Helper()
		s.mustAWS(append([]string{"cloudwatch", "--endpoint-url", moto, "--region", "eu-west-1"}, args...)...)
	}
	state := func(value string) {
		t.Helper()
		cloud("set-alarm-state", "--alarm-name", "shop 5xx", "--state-value", value, "--state-reason", "the test says so")
	}
	cloud("put-metric-alarm", "--alarm-name", "shop 5xx", "--namespace", "shop", "--metric-name", "errors", "--statistic", "Sum", "--period", "60",
		"--evaluation-periods", "1", "--threshold", "1", "--comparison-operator", "GreaterThanThreshold")
	s.addHost("n-1", "web")
	for _, v := range []string{"v1", "v2"} {
		s.upload(v+".zip", recorder(t, v))
	}
	s.createApplication("site")
	s.mustAWS("deploy", "create-deployment-group", "--application-name", "site", "--deployment-group-name", "web", "--service-role-arn", role,
		"--deployment-config-name", "CodeDeployDefault.AllAtOnce", "--on-premises-instance-tag-filters", "Key=env,Value=web,Type=KEY_AND_VALUE",
		"--alarm-configuration", "enabled=true,alarms=[{name=shop 5xx}]", "--auto-rollback-configuration", "enabled=true,events=DEPLOYMENT_STOP_ON_ALARM")
	s.succeeds(s.begin("site", "web", "v1.zip")) // INSUFFICIENT_DATA stops nothing

	s.touch("hold-BeforeInstall", "n-1")
	id := s.begin("site", "web", "v2.zip")
	s.awaitRun("n-1", id, "BeforeInstall")
	state("ALARM")
	s.awaitStopping(id)
	s.remove("hold-BeforeInstall", "n-1")
	s.alarmStops(id, types.ErrorCodeAlarmActive, "Activated alarms: <shop 5xx>")
	says(t, s.exits(0, "explain", id), "It was stopped because an alarm was raised.", "<shop 5xx>")
	if back := s.rolledBack(id, types.DeploymentStatusStopped); aws.ToString(back.Revision.S3Location.Key) != "v1.zip" {
		t.Errorf("the rollback brought %s back", *back.Revision.S3Location.Key)
	}
	// It is still raised.
	s.alarmStops(s.begin("site", "web", "v2.zip"), types.ErrorCodeAlarmActive, "Activated alarms: <shop 5xx>")
	out := s.mustAWS("deploy", "create-deployment", "--application-name", "site", "--deployment-group-name", "web",
		"--s3-location", "bucket="+bucket+",key=v2.zip,bundleType=zip", "--override-alarm-configuration", "enabled=false")
	s.succeeds(field(t, out, "deploymentId"))
	missing := func(in *codedeploy.CreateDeploymentInput) {
		in.OverrideAlarmConfiguration = &types.AlarmConfiguration{Enabled: true, Alarms: []types.Alarm{{Name: aws.String("shop 4xx")}}}
	}
	s.alarmStops(s.begin("site", "web", "v1.zip", missing), types.ErrorCodeInternalError, "There is no alarm named shop 4xx in the configured alarm sources.")
}
