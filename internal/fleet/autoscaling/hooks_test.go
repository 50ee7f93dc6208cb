package autoscaling_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// hooks stands in front of moto_server and plays what that does not: instances launched under a hook wait, can be told to go on or be abandoned,
// and are abandoned when their hook is deleted, as the user guide of Auto Scaling says. It is our reading of that guide, and no proof about AWS.
type hooks struct {
	inner http.Handler

	mu   sync.Mutex
	held map[string]map[string]bool // by group with a launch hook: which instances need not wait
}

var memberForm = regexp.MustCompile(`(?s)<member>\s*(?:<[A-Za-z]+>[^<]*</[A-Za-z]+>|<LaunchTemplate>.*?</LaunchTemplate>|\s)*?</member>`)

var (
	idForm    = regexp.MustCompile(`<InstanceId>(i-[0-9a-f]+)</InstanceId>`)
	stateForm = regexp.MustCompile(`<LifecycleState>InService</LifecycleState>`)
)

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	group := form.Get("AutoScalingGroupName")
	switch form.Get("Action") {
	case "PutLifecycleHook":
		if _, there := h.held[group]; !there && strings.HasSuffix(form.Get("LifecycleTransition"), "LAUNCHING") {
			h.held[group] = map[string]bool{}
			for _, id := range h.instances(r, group) {
				h.held[group][id] = true
			}
		}
	case "DeleteLifecycleHook":
		for _, id := range h.instances(r, group) {
			if free, hooked := h.held[group]; hooked && !free[id] {
				h.end(r, id)
			}
		}
		delete(h.held, group)
	case "RecordLifecycleActionHeartbeat", "CompleteLifecycleAction":
		h.decide(w, r, form)
		return
	}
	answer := h.ask(r, string(body))
	content := answer.Body.Bytes()
	if form.Get("Action") == "DescribeAutoScalingGroups" {
		content = h.rewrite(content)
	}
	w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
	w.WriteHeader(answer.Code)
	if _, err := w.Write(content); err != nil {
		return // the client has gone
	}
}

// ask puts a call to moto_server, signed like the one that came: it looks only for the service and the region in that.
func (h *hooks) ask(r *http.Request, body string) *httptest.ResponseRecorder {
	inner := r.Clone(r.Context())
	inner.Body, inner.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	answer := httptest.NewRecorder()
	h.inner.ServeHTTP(answer, inner)
	return answer
}

func (h *hooks) instances(r *http.Request, group string) []string {
	answer := h.ask(r, url.Values{"Action": {"DescribeAutoScalingGroups"}, "Version": {"2011-01-01"}, "AutoScalingGroupNames.member.1": {group}}.Encode())
	var ids []string
	for _, m := range idForm.FindAllSubmatch(answer.Body.Bytes(), -1) {
		ids = append(ids, string(m[1]))
	}
	return ids
}

// end has moto_server end an instance and start another one for it.
func (h *hooks) end(r *http.Request, id string) {
	h.ask(r, url.Values{"Action": {"TerminateInstanceInAutoScalingGroup"}, "Version": {"2011-01-01"}, "InstanceId": {id}, "ShouldDecrementDesiredCapacity": {"false"}}.Encode())
}

func (h *hooks) decide(w http.ResponseWriter, r *http.Request, form url.Values) {
	group, id := form.Get("AutoScalingGroupName"), form.Get("InstanceId")
	free, hooked := h.held[group]
	there := false
	for _, i := range h.instances(r, group) {
		there = there || i == id
	}
	action := form.Get("Action")
	w.Header().Set("Content-Type", "text/xml")
	if !hooked || !there || free[id] {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>No active Lifecycle Action found with instance ID %s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, id)
		return
	}
	if action == "CompleteLifecycleAction" {
		if form.Get("LifecycleActionResult") == "CONTINUE" {
			free[id] = true
		} else {
			h.end(r, id)
		}
	}
	fmt.Fprintf(w, `<%[1]sResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><%[1]sResult/><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></%[1]sResponse>`, action)
}

// rewrite makes the instances that have to wait wait.
func (h *hooks) rewrite(content []byte) []byte {
	free, hooked := map[string]bool{}, false
	for group, ids := range h.held {
		if !bytes.Contains(content, []byte("<AutoScalingGroupName>"+group+"</AutoScalingGroupName>")) {
			continue
		}
		hooked = true
		for id := range ids {
			free[id] = true
		}
	}
	if !hooked {
		return content
	}
	return memberForm.ReplaceAllFunc(content, func(member []byte) []byte {
		id := idForm.FindSubmatch(member)
		if id == nil || free[string(id[1])] {
			return member
		}
		return stateForm.ReplaceAll(member, []byte(`<LifecycleState>Pending:Wait</LifecycleState>`))
	})
}
