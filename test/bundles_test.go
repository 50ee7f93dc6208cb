package test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// zipOf makes a bundle of exactly these files, hostile names included.
func zipOf(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for i := 0; i < len(files); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: files[i], Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBadBundles holds what becomes of bundles that are damaged, hostile or wrong: the deployment fails at the event that met them, and
// both the event's diagnostics and the deployment's error say what is wrong and where; nothing leaves the bundle's directory.
func TestBadBundles(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.addHost("web-1", "blue")
	if _, err := s.deploy.CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	group := groupOf("plain", types.DeploymentTypeInPlace)
	group.DeploymentStyle.DeploymentOption, group.LoadBalancerInfo = types.DeploymentOptionWithoutTrafficControl, nil
	if _, err := s.deploy.CreateDeploymentGroup(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	const spec = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: run.sh\n"
	tests := []struct {
		name   string
		bundle []byte
		event  string
		code   types.LifecycleErrorCode
		say    string
	}{
		{"damaged", []byte("PK\x03\x04 this is no zip"), "DownloadBundle", types.LifecycleErrorCodeUnknownError, "zip"},
		{"leaves its root", zipOf(t, "appspec.yml", spec, "../../../../escaped", "x"), "DownloadBundle", types.LifecycleErrorCodeUnknownError, "../../../../escaped"},
		{"absolute path", zipOf(t, "appspec.yml", spec, "/escaped", "x"), "DownloadBundle", types.LifecycleErrorCodeUnknownError, "/escaped"},
		{"bomb", zipOf(t, "appspec.yml", spec, "zeros", strings.Repeat("\x00", 300<<20)), "DownloadBundle", types.LifecycleErrorCodeUnknownError, "zeros"},
		{"no appspec", zipOf(t, "run.sh", "exit 0\n"), "BeforeInstall", types.LifecycleErrorCodeUnknownError, "appspec"},
		{"wrong appspec", zipOf(t, "appspec.yml", "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - timeout: 5\n"), "BeforeInstall", types.LifecycleErrorCodeUnknownError, "line 5"},
		{"no script", zipOf(t, "appspec.yml", spec), "AfterInstall", types.LifecycleErrorCodeScriptMissing, "run.sh"},
		{"failing script", zipOf(t, "appspec.yml", spec, "run.sh", "#!/bin/sh\necho about to fail\nexit 7\n"), "AfterInstall", types.LifecycleErrorCodeScriptFailed, "exit code 7"},
		{"slow script", zipOf(t, "appspec.yml", spec+"      timeout: 1\n", "run.sh", "#!/bin/sh\nsleep 30\n"), "AfterInstall", types.LifecycleErrorCodeScriptTimedOut, "1 second"},
	}
	for _, tt := range tests {
		key := strings.ReplaceAll(tt.name, " ", "-") + ".zip"
		revision := s.upload(key, tt.bundle)
		out, err := s.deploy.CreateDeployment(t.Context(), &codedeploy.CreateDeploymentInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("plain"), Revision: revision})
		if err != nil {
			t.Fatal(err)
		}
		id := *out.DeploymentId
		i := s.awaitEnd(id)
		if i.Status != types.DeploymentStatusFailed || i.ErrorInformation == nil || !strings.Contains(aws.ToString(i.ErrorInformation.Message), "web-1 at "+tt.event) {
			t.Errorf("%s: the deployment is %s: %+v\n%s", tt.name, i.Status, i.ErrorInformation, s.targets(id))
			continue
		}
		target, err := s.deploy.GetDeploymentTarget(t.Context(), &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: aws.String("web-1")})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range target.DeploymentTarget.InstanceTarget.LifecycleEvents {
			if aws.ToString(e.LifecycleEventName) != tt.event {
				continue
			}
			if d := e.Diagnostics; e.Status != types.LifecycleEventStatusFailed || d.ErrorCode != tt.code || !strings.Contains(aws.ToString(d.Message), tt.say) {
				t.Errorf("%s: %s is %s: %s %q, want %s saying %q", tt.name, tt.event, e.Status, d.ErrorCode, aws.ToString(d.Message), tt.code, tt.say)
			}
		}
	}
	for _, escaped := range []string{"/escaped", filepath.Join(s.dir, "escaped"), filepath.Join(s.dir, "web-1", "escaped")} {
		if _, err := os.Stat(escaped); err == nil {
			t.Errorf("%s was written", escaped)
		}
	}
}
