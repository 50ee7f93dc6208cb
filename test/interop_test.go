package test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"go.yaml.in/yaml/v3"

	"crossfade/internal/counterpart/recording"
	"crossfade/internal/envelope"
)

// TestServerAnswersAsTheOfficialAgentsRead has a real server carry out the deployments that unmodified agents were recorded with: it gets the
// same requests, signed anew in the form in which the agents sign, with the identifiers that it gave out itself, and must answer with the same
// members of the same types, in the same order of events.
func TestServerAnswersAsTheOfficialAgentsRead(t *testing.T) {
	t.Parallel()
	for name, r := range recording.Load(t, "testdata/interop") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t)
			p := s.newPlayer(r)
			for n, d := range r.Deployments {
				p.play(fmt.Sprintf("v%d.zip", n+1), d)
			}
		})
	}
}

// player says again what a recorded agent said.
type player struct {
	*stand
	recording.Recording
	key, secret string
	host        string // the identity, which is the recorded one
}

// newPlayer registers the recorded host and makes a deployment group of it alone.
func (s *stand) newPlayer(r recording.Recording) *player {
	s.t.Helper()
	file := filepath.Join(s.dir, "web-1.yml")
	s.run("host", "add", "web-1", "--tag", "env=blue", "--out", file, "--endpoint", s.endpoint)
	content, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	var identity map[string]string
	if err := yaml.Unmarshal(content, &identity); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.deploy.CreateApplication(s.t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("shop")}); err != nil {
		s.t.Fatal(err)
	}
	group := groupOf("prod", types.DeploymentTypeInPlace)
	group.DeploymentStyle.DeploymentOption, group.LoadBalancerInfo = types.DeploymentOptionWithoutTrafficControl, nil
	if _, err := s.deploy.CreateDeploymentGroup(s.t.Context(), group); err != nil {
		s.t.Fatal(err)
	}
	return &player{s, r, identity["aws_access_key_id"], identity["aws_secret_access_key"], identity["iam_user_arn"]}
}

// play carries out one recorded deployment.
func (p *player) play(key string, d recording.Deployment) {
	p.t.Helper()
	// Kept with a checksum, as the AWS CLI uploads; agents made with newer SDKs ask for it and verify what they get.
	_, err := p.objects.PutObject(p.t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(bundle(p.t, key, nil)), ChecksumAlgorithm: s3types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := p.deploy.CreateDeployment(p.t.Context(), &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("prod"),
		Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
			Bucket: aws.String(bucket), Key: &key, BundleType: types.BundleTypeZip,
		}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	commands, err := d.Commands()
	if err != nil {
		p.t.Fatal(err)
	}
	var last recording.Exchange
	for _, c := range commands {
		given := p.poll(c)
		if !strings.Contains(given.DeploymentExecutionId, *out.DeploymentId) {
			p.t.Fatalf("the command is about %q, not about %s", given.DeploymentExecutionId, *out.DeploymentId)
		}
		for _, e := range c.Exchanges {
			say := strings.NewReplacer(c.ID, given.HostCommandIdentifier, c.Execution, given.DeploymentExecutionId).Replace(string(e.Request))
			switch e.Operation {
			case "GetObject":
				p.download(e, key)
				continue
			case "GetDeploymentSpecification":
				p.specification(p.call(e, say), d.Specification)
			case "PutHostCommandAcknowledgement":
				if answer := p.call(e, say); !bytes.Equal(bytes.TrimSpace(answer), []byte(`{"CommandStatus":"InProgress"}`)) {
					p.t.Fatalf("the acknowledgement of %s is answered with %s", c.Event, answer)
				}
			default:
				p.call(e, say)
			}
			last = e
		}
	}
	p.outcome(*out.DeploymentId, commands[len(commands)-1], last)
}

// outcome holds that the first report of an event counts: the Ruby agent reports a failure twice, the second time without its reason.
func (p *player) outcome(id string, final recording.Command, last recording.Exchange) {
	p.t.Helper()
	if strings.Contains(string(last.Request), `"Succeeded"`) {
		p.awaitStatus(id, types.DeploymentStatusSucceeded)
		return
	}
	p.awaitStatus(id, types.DeploymentStatusFailed)
	out, err := p.deploy.GetDeploymentTarget(p.t.Context(), &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: aws.String("web-1")})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, e := range out.DeploymentTarget.InstanceTarget.LifecycleEvents {
		if aws.ToString(e.LifecycleEventName) != final.Event {
			continue
		}
		d := e.Diagnostics
		if e.Status != types.LifecycleEventStatusFailed || d == nil || d.ErrorCode != types.LifecycleErrorCodeScriptFailed ||
			aws.ToString(d.ScriptName) != "scripts/AfterInstall.sh" || !strings.Contains(aws.ToString(d.LogTail), "[stderr]err of AfterInstall") {
			p.t.Errorf("%s is %s with %+v", final.Event, e.Status, d)
		}
	}
}

type given struct{ HostCommandIdentifier, HostIdentifier, DeploymentExecutionId, CommandName string }

// poll asks until there is a command, which must be the recorded one.
func (p *player) poll(c recording.Command) given {
	p.t.Helper()
	for range 5 {
		answer := p.send(c.Poll, p.control(c.Poll, string(c.Poll.Request)))
		if bytes.Equal(bytes.TrimSpace(answer), []byte("{}")) {
			continue // a poll that was held in vain
		}
		p.shaped(c.Poll, answer)
		var out struct{ HostCommand given }
		if err := json.Unmarshal(answer, &out); err != nil {
			p.t.Fatal(err)
		}
		if got := out.HostCommand; got.CommandName != c.Event || got.HostIdentifier != p.host {
			p.t.Fatalf("polled %s for %s, want %s for %s", got.CommandName, got.HostIdentifier, c.Event, p.host)
		}
		return out.HostCommand
	}
	p.t.Fatalf("%s is never handed out", c.Event)
	return given{}
}

// call makes a recorded call and compares the form of its answer.
func (p *player) call(e recording.Exchange, body string) []byte {
	p.t.Helper()
	answer := p.send(e, p.control(e, body))
	p.shaped(e, answer)
	return answer
}

func (p *player) shaped(e recording.Exchange, answer []byte) {
	p.t.Helper()
	if len(e.Answer) == 0 {
		if len(answer) > 0 {
			p.t.Errorf("%s is answered with %s, want nothing", e.Operation, answer)
		}
		return
	}
	want, err := recording.Shape(e.Answer)
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := recording.Shape(answer)
	if err != nil || got != want {
		p.t.Errorf("%s is answered with\n%s %v\nwant\n%s", e.Operation, got, err, want)
	}
}

// specification holds that the signed content has the recorded members.
func (p *player) specification(answer []byte, want json.RawMessage) {
	p.t.Helper()
	var out struct {
		DeploymentSpecification struct{ GenericEnvelope struct{ Payload string } }
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		p.t.Fatal(err)
	}
	content, err := envelope.Verify([]byte(out.DeploymentSpecification.GenericEnvelope.Payload), envelope.Trust{}, time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := recording.Shape(content)
	if err != nil {
		p.t.Fatal(err)
	}
	if want, err := recording.Shape(want); err != nil || got != want {
		p.t.Errorf("the specification has\n%s\nwant\n%s %v", got, want, err)
	}
}

func (p *player) download(e recording.Exchange, key string) {
	p.t.Helper()
	path := strings.Replace(e.Path, "app.zip", key, 1)
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.endpoint+path, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.Objects.Style == "virtualHost" {
		req.Host = bucket + ".deploy.example.com"
	}
	for name, value := range map[string]string{
		"Accept-Encoding": "identity", "Amz-Sdk-Invocation-Id": "1f0c1d4e-0000-4000-8000-000000000000", "Amz-Sdk-Request": "attempt=1; max=3", "X-Amz-Checksum-Mode": "ENABLED",
	} {
		if slices.Contains(p.Objects.SignedHeaders, strings.ToLower(name)) {
			req.Header.Set(name, value)
		}
	}
	p.sign(req, p.Objects, nil)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	content, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != e.Status || !bytes.HasPrefix(content, []byte("PK")) {
		p.t.Fatalf("the download answers %s, %v: %.300q", res.Status, err, content)
	}
	for _, name := range e.AnswerHeaders {
		if res.Header.Get(name) == "" {
			p.t.Errorf("the download is answered without %s", name)
		}
	}
}

// control makes a request as the recorded agent did.
func (p *player) control(e recording.Exchange, body string) *http.Request {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.endpoint+"/", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", p.Control.TargetPrefix+"."+e.Operation)
	if p.Control.ContentSHA256 {
		req.Header.Set("X-Amz-Content-Sha256", hash([]byte(body)))
	}
	for name, value := range p.Control.Headers {
		req.Header.Set(name, value)
	}
	p.sign(req, p.Control, []byte(body))
	return req
}

func (p *player) send(e recording.Exchange, req *http.Request) []byte {
	p.t.Helper()
	// The agents give up after 80 seconds.
	ctx, cancel := context.WithTimeout(req.Context(), 80*time.Second)
	defer cancel()
	res, err := http.DefaultClient.Do(req.WithContext(ctx))
	if err != nil {
		p.t.Fatalf("%s: %v", e.Operation, err)
	}
	answer, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		p.t.Fatalf("%s: %v", e.Operation, err)
	}
	if res.StatusCode != e.Status {
		p.t.Fatalf("%s is answered with %s %s, want %d", e.Operation, res.Status, answer, e.Status)
	}
	if kind := res.Header.Get("Content-Type"); len(answer) > 0 && kind != "application/x-amz-json-1.1" {
		p.t.Errorf("%s is answered with content of type %q", e.Operation, kind)
	}
	return answer
}

// sign signs the headers that the recorded agent signed and no others. It is written from the definition of Signature Version 4, so that
// the server's own signer is not asked to agree with itself.
func (p *player) sign(req *http.Request, f recording.Form, body []byte) {
	now := time.Now().UTC()
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	if slices.Contains(f.SignedHeaders, "x-amz-content-sha256") {
		req.Header.Set("X-Amz-Content-Sha256", hash(body))
	}
	var b strings.Builder
	query := req.URL.Query()
	fmt.Fprintf(&b, "%s\n%s\n%s\n", req.Method, (&url.URL{Path: req.URL.Path}).EscapedPath(), strings.ReplaceAll(query.Encode(), "+", "%20"))
	for _, name := range f.SignedHeaders {
		value := req.Header.Get(name)
		switch name {
		case "host":
			value = req.Host
		case "content-length":
			value = strconv.Itoa(len(body))
		}
		if value == "" {
			p.t.Fatalf("the recorded agent signs %s, which this request does not have", name)
		}
		fmt.Fprintf(&b, "%s:%s\n", name, value)
	}
	signed := strings.Join(f.SignedHeaders, ";")
	fmt.Fprintf(&b, "\n%s\n%s", signed, hash(body))
	scope := now.Format("20060102") + "/" + f.Scope + "/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + req.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hash([]byte(b.String()))
	key := []byte("AWS4" + p.secret)
	for _, part := range append(strings.Split(scope, "/"), text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", p.key, scope, signed, key))
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
