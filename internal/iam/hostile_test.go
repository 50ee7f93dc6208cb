package iam_test

import (
	"testing"

	wireiam "crossfade/internal/wire/iam"
)

// TestNobodyBecomesAHostByItsName holds that a user can't be made under the ARN that an added host has: its key would speak for the host.
func TestNobodyBecomesAHostByItsName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.CreateUser(root(t), &wireiam.CreateUserRequest{UserName: new("web-1"), Path: new("/host/")})
	if code(err) != wireiam.InvalidInputException {
		t.Errorf("a user with the ARN of the host web-1: %v", err)
	}
	must[*wireiam.CreateUserResponse](t)(w.CreateUser(root(t), &wireiam.CreateUserRequest{UserName: new("web-1"), Path: new("/host/team/")}))
}

// TestTagsThatDifferInCaseAlone holds that no tag hides behind another from a policy, in which the case of their keys does not count.
func TestTagsThatDifferInCaseAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.CreateUser(root(t), &wireiam.CreateUserRequest{UserName: new("bob"), Tags: []wireiam.Tag{{Key: new("Team"), Value: new("red")}, {Key: new("team"), Value: new("blue")}}})
	if code(err) != wireiam.InvalidInputException {
		t.Errorf("got %v", err)
	}
}

// TestAPolicyThatAsksForWhatNoCallHas must not be stored: a denial in it would never come.
func TestAPolicyThatAsksForWhatNoCallHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alice()
	err := w.PutUserPolicy(root(t), &wireiam.PutUserPolicyRequest{UserName: new("alice"), PolicyName: new("q"), PolicyDocument: new(
		`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/env":"prod"}}}}`)})
	if code(err) != wireiam.MalformedPolicyDocumentException {
		t.Errorf("got %v", err)
	}
}
