package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// paged is a list that has pages.
type paged struct {
	operation, body, key string
	// add and remove change what is listed; each entry has a number. A nil remove: nothing is ever removed from the list.
	add, remove func(w *world, n int)
	// others are bodies for which a token of the list is not good.
	others []string
}

// pagedLists are the lists that can change while they are read and be longer than a page.
var pagedLists = []paged{
	{
		operation: "ListApplications", body: `{}`, key: "applications",
		add:    func(w *world, n int) { w.must("CreateApplication", fmt.Sprintf(`{"applicationName":"a-%04d"}`, n)) },
		remove: func(w *world, n int) { w.must("DeleteApplication", fmt.Sprintf(`{"applicationName":"a-%04d"}`, n)) },
	},
	{
		operation: "ListDeploymentConfigs", body: `{}`, key: "deploymentConfigsList",
		add: func(w *world, n int) {
			w.must("CreateDeploymentConfig", fmt.Sprintf(`{"deploymentConfigName":"a-%04d","minimumHealthyHosts":{"type":"HOST_COUNT","value":1}}`, n))
		},
		remove: func(w *world, n int) {
			w.must("DeleteDeploymentConfig", fmt.Sprintf(`{"deploymentConfigName":"a-%04d"}`, n))
		},
	},
	{
		operation: "ListDeploymentGroups", body: `{"applicationName":"shop"}`, key: "deploymentGroups", others: []string{`{"applicationName":"fn"}`},
		add: func(w *world, n int) {
			w.must("CreateDeploymentGroup", fmt.Sprintf(`{"applicationName":"shop","deploymentGroupName":"a-%04d","serviceRoleArn":%q}`, n, role))
		},
		remove: func(w *world, n int) {
			w.must("DeleteDeploymentGroup", fmt.Sprintf(`{"applicationName":"shop","deploymentGroupName":"a-%04d"}`, n))
		},
	},
	{
		operation: "ListOnPremisesInstances", body: `{"registrationStatus":"Registered"}`, key: "instanceNames",
		others: []string{`{}`, `{"registrationStatus":"Registered","tagFilters":[{"Key":"k"}]}`},
		add: func(w *world, n int) {
			w.must("RegisterOnPremisesInstance", fmt.Sprintf(`{"instanceName":"a-%04d","iamUserArn":"arn:aws:iam::123456789012:user/a-%04d"}`, n, n))
		},
		remove: func(w *world, n int) {
			w.must("DeregisterOnPremisesInstance", fmt.Sprintf(`{"instanceName":"a-%04d"}`, n))
		},
	},
	{
		operation: "ListDeployments", body: `{"includeOnlyStatuses":["Stopped"]}`, key: "deployments", others: []string{`{}`, `{"includeOnlyStatuses":["Failed"]}`},
		add: func(w *world, _ int) {
			w.clock.Pass(time.Second)
			w.must("StopDeployment", `{"deploymentId":"`+w.deployTo("flat")+`"}`)
		},
	},
}

// TestPagesFitTogether holds that what is there all the time is listed once, whatever is added and removed between the pages.
func TestPagesFitTogether(t *testing.T) {
	t.Parallel()
	for _, l := range pagedLists {
		t.Run(l.operation, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
			// Of four numbers two stay, one comes and one goes, between the first page and the second.
			const numbers = 160
			for n := range numbers {
				if n%4 != 1 {
					l.add(w, n)
				}
			}
			before := l.rest(w, "")
			seen, token := l.page(w, "")
			for n := 0; n < numbers; n += 4 {
				if l.remove != nil {
					l.remove(w, n+3)
				}
				l.add(w, n+1)
			}
			after := l.rest(w, "")
			seen = append(seen, l.rest(w, token)...)

			listed := map[string]int{}
			for _, name := range seen {
				if listed[name]++; listed[name] > 1 {
					t.Errorf("%s was listed %d times", name, listed[name])
				}
			}
			stayed := 0
			for _, name := range before {
				if slices.Contains(after, name) {
					stayed++
					if listed[name] == 0 {
						t.Errorf("%s, which was there throughout, was not listed", name)
					}
				}
			}
			if stayed < numbers/2 {
				t.Errorf("only %d of %d entries stayed", stayed, len(before))
			}
			// A token is a place and is not used up.
			again := l.rest(w, token)
			if want := after[len(after)-len(again):]; len(again) == 0 || !slices.Equal(again, want) {
				t.Errorf("read again, the rest was %v, want %v", again, want)
			}
			l.refusesForgeries(w, token)
		})
	}
}

func withToken(body, token string) string {
	return strings.Replace(strings.TrimSuffix(body, "}")+`,"nextToken":"`+token+`"}`, "{,", "{", 1)
}

// page reads a page, and the token of the next if there is one.
func (l paged) page(w *world, token string) (entries []string, next string) {
	w.t.Helper()
	body := l.body
	if token != "" {
		body = withToken(body, token)
	}
	answer := w.must(l.operation, body)
	if err := json.Unmarshal([]byte(dig(w.t, answer, l.key)), &entries); err != nil {
		w.t.Fatal(err)
	}
	if quoted := dig(w.t, answer, "nextToken"); quoted != "" {
		next = text(w.t, quoted)
		if len(entries) != 100 {
			w.t.Errorf("a page before the last has %d entries", len(entries))
		}
	}
	return entries, next
}

// rest reads everything from a token on.
func (l paged) rest(w *world, token string) []string {
	w.t.Helper()
	all, token := l.page(w, token)
	for token != "" {
		var more []string
		more, token = l.page(w, token)
		all = append(all, more...)
	}
	return all
}

// refusesForgeries holds that no other token is taken than one that was given out, nor that one for anything else.
func (l paged) refusesForgeries(w *world, token string) {
	w.t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range raw {
		forged := slices.Clone(raw)
		forged[i] ^= 1
		w.refused(l.operation, withToken(l.body, base64.RawURLEncoding.EncodeToString(forged)), "InvalidNextToken")
	}
	for _, forged := range []string{token[:len(token)-1], token + "A", token + "=", token + `\n`, " "} {
		w.refused(l.operation, withToken(l.body, forged), "InvalidNextToken")
	}
	for _, body := range l.others {
		w.refused(l.operation, withToken(body, token), "InvalidNextToken")
	}
	for _, other := range pagedLists {
		if other.operation != l.operation {
			w.refused(other.operation, withToken(other.body, token), "InvalidNextToken")
		}
	}
	w.account = "210987654321"
	w.refused(l.operation, withToken(l.body, token), "InvalidNextToken")
	w.account = account
}

// TestATokenOfTargetsIsForOneDeployment holds that the token of a deployment's targets is good for these targets, filtered as they were.
func TestATokenOfTargetsIsForOneDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	for n := range 101 {
		w.must("RegisterOnPremisesInstance", fmt.Sprintf(`{"instanceName":"a-%03d","iamUserArn":"arn:aws:iam::123456789012:user/a-%03d"}`, n, n))
		w.must("AddTagsToOnPremisesInstances", fmt.Sprintf(`{"instanceNames":["a-%03d"],"tags":[{"Key":"colour","Value":"blue"}]}`, n))
	}
	id := w.deployTo("flat")
	w.run()
	other := w.deployTo("prod")
	w.run()
	body := `{"deploymentId":"` + id + `"}`
	token := text(t, w.must("ListDeploymentTargets", body, "nextToken"))
	same(t, "rest", w.must("ListDeploymentTargets", withToken(body, token)), `{"targetIds":["a-100","blue-1","blue-2"]}`)
	w.refused("ListDeploymentInstances", withToken(body, token), "InvalidNextToken")
	w.refused("ListDeploymentTargets", withToken(`{"deploymentId":"`+other+`"}`, token), "InvalidNextToken")
	w.refused("ListDeploymentTargets", withToken(`{"deploymentId":"`+id+`","targetFilters":{"TargetStatus":["InProgress"]}}`, token), "InvalidNextToken")
}
