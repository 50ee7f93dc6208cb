// Package storetest is the suite that every engine of the store must pass: [Run] for the contract, [RunDurability] for what survives a close,
// [RunTransitions] for the part that moves deployments, which an implementation in memory can pass too.
//
// The deployments in it are moved by real transitions of package deploy, never by made-up rows. It knows no engine.
package storetest

import (
	"errors"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"

	"github.com/google/uuid"
)

// Run runs the whole suite but RunDurability. open returns an empty store that lives until the test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"applications", applications},
		{"application limits and names", applicationLimits},
		{"deleting an application", deleteApplication},
		{"configs", configs},
		{"a config in use", configInUse},
		{"groups", groups},
		{"all groups", allGroups},
		{"updating a group", updateGroup},
		{"deleting a group", deleteGroup},
		{"revisions", revisions},
		{"orders of revisions", revisionOrders},
		{"deployed revisions", deployedRevisions},
		{"instances", instances},
		{"listing instances", listInstances},
		{"changing instances", changeInstances},
		{"GitHub tokens", githubTokens},
		{"users", users},
		{"keys of users", userKeys},
		{"keys of users made at once", userKeyRaces},
		{"policies of users", userPolicies},
		{"join tokens", joinTokens},
		{"join tokens used at once", joinTokenRaces},
		{"logs of events", eventLogs},
		{"a log that is too long", longEventLog},
		{"logs of events at once", eventLogsAtOnce},
		{"the log of notices", noticeLog},
		{"notices of a batch that fails", noticesCommitWhole},
		{"notices of a rollback", noticesOfRollback},
		{"deliveries in order", deliveryOrder},
		{"tests of triggers", triggerTests},
		{"lost deliveries", lostDeliveries},
		{"cursors of the log", noticeCursors},
		{"trimming the log", trimming},
		{"the log beside writers", concurrentLog},
		{"paging", paging},
		{"accounts apart", accountsApart},
		{"what a group remembers", groupMemory},
		{"a created deployment uses its revision", revisionUse},
		{"a group that is gone", groupGone},
		{"a rollback after everything was deleted", rollbackOfDeleted},
		{"hostile text", hostileText},
		{"listing deployments", listDeployments},
		{"listing targets", listTargets},
		{"unfinished targets", unfinishedTargets},
		{"journals", journals},
		{"updates are not lost", lostUpdates},
		{"readers beside writers", readersAndWriters},
		{"ping and close", pingAndClose},
		{"a context that has ended", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
	for _, c := range replicaTests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
	for _, c := range retentionTests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
	t.Run("transitions", func(t *testing.T) {
		RunTransitions(t, func(t *testing.T) (store.Deployments, func(deploy.Group)) {
			s := open(t)
			return s, func(g deploy.Group) { seedGroup(t, s, g) }
		})
	})
}

const (
	account = "111122223333"
	other   = "444455556666"
)

// start is when the tests begin. It has nanoseconds, which must survive.
var start = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must1[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func want(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("the error is %v, want %v", err, kind)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := printable(got), printable(want); g != w {
		t.Fatalf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// application is one with everything set.
func application(name string) deploy.Application {
	return deploy.Application{ID: uuid.NewString(), Account: account, Name: name, Platform: deploy.PlatformServer, CreatedAt: start}
}

func group(a deploy.Application, name string) deploy.Group {
	return deploy.Group{
		ID: uuid.NewString(), Account: a.Account, ApplicationID: a.ID, Application: a.Name, Name: name, CreatedAt: start,
		Settings: deploy.GroupSettings{Config: "CodeDeployDefault.OneAtATime", ServiceRoleARN: "arn:aws:iam::" + a.Account + ":role/deploy"},
	}
}

// seedGroup makes sure of a group and of its application.
func seedGroup(t *testing.T, s store.Store, g deploy.Group) {
	t.Helper()
	_, err := s.Application(t.Context(), g.Account, g.Application)
	if errors.Is(err, store.ErrNotFound) {
		a := deploy.Application{ID: g.ApplicationID, Account: g.Account, Name: g.Application, Platform: deploy.PlatformServer, CreatedAt: start}
		err = s.CreateApplication(t.Context(), a, 1000)
	}
	must(t, err)
	must(t, s.CreateGroup(t.Context(), g, 1000))
}

// seeded makes an application with a group.
func seeded(t *testing.T, s store.Store) (deploy.Application, deploy.Group) {
	t.Helper()
	a := application("shop")
	g := group(a, "web")
	must(t, s.CreateApplication(t.Context(), a, 1000))
	must(t, s.CreateGroup(t.Context(), g, 1000))
	return a, g
}
