package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const roleDocument = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"codedeploy:*","Resource":"*"}]}`

func TestRoles(t *testing.T) {
	t.Parallel()
	const file = `
account: "111122223333"
identity:
  roles:
    - name: deployer
      trust: ["111122223333", arn:aws:iam::111122223333:user/ci/robot, arn:aws:sts::111122223333:assumed-role/other/me]
      maxDuration: 2h
      policies:
        - name: deploy
          document: |
            ` + roleDocument + "\n"
	c, err := Load(Sources{File: write(t, file)})
	if err != nil {
		t.Fatal(err)
	}
	want := Identity{Roles: []Role{{
		Name: "deployer", MaxDuration: 2 * time.Hour,
		Trust:    []string{"111122223333", "arn:aws:iam::111122223333:user/ci/robot", "arn:aws:sts::111122223333:assumed-role/other/me"},
		Policies: []RolePolicy{{Name: "deploy", Document: roleDocument + "\n"}},
	}}}
	if !reflect.DeepEqual(c.Identity, want) {
		t.Errorf("got %+v, want %+v", c.Identity, want)
	}
}

func TestRolesThatCannotBe(t *testing.T) {
	t.Parallel()
	good := func() Role {
		return Role{Name: "r", Trust: []string{"111122223333"}, Policies: []RolePolicy{{Name: "p", Document: roleDocument}}}
	}
	for want, change := range map[string]func(*Role){
		`identity.roles[0].name "a b" is no name of a role`:                         func(r *Role) { r.Name = "a b" },
		`identity.roles[0].name "Crossfade-Host" is the role of enrolled hosts`:     func(r *Role) { r.Name = "Crossfade-Host" },
		`identity.roles[0] names nobody`:                                            func(r *Role) { r.Trust = nil },
		`identity.roles[0].trust[0] "*" is neither`:                                 func(r *Role) { r.Trust[0] = "*" },
		`identity.roles[0].trust[0] "arn:aws:iam::111122223333:user/*" is neither`:  func(r *Role) { r.Trust[0] = "arn:aws:iam::111122223333:user/*" },
		`identity.roles[0].trust[0] "444455556666" is not of the account`:           func(r *Role) { r.Trust[0] = "444455556666" },
		`identity.roles[0].trust[0] "arn:aws:iam::444455556666:root" is not of the`: func(r *Role) { r.Trust[0] = "arn:aws:iam::444455556666:root" },
		`identity.roles[0].maxDuration 13h0m0s is not between`:                      func(r *Role) { r.MaxDuration = 13 * time.Hour },
		`identity.roles[0].maxDuration 1m0s is not between`:                         func(r *Role) { r.MaxDuration = time.Minute },
		`identity.roles[0].policies[0].name "" is no name`:                          func(r *Role) { r.Policies[0].Name = "" },
		`identity.roles[0].policies[0].document can't be read: no call here has the condition key "aws:resourcetag/env"`: func(r *Role) {
			r.Policies[0].Document = `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/env":"prod"}}}}`
		},
		`identity.roles[0].policies[0].document can't be read: `: func(r *Role) { r.Policies[0].Document = "{}" },
	} {
		r := good()
		change(&r)
		p := Identity{Roles: []Role{r}}.check("111122223333")
		if p == nil || !strings.HasPrefix(p.key+" "+p.text, want) {
			t.Errorf("got %+v, want %s", p, want)
		}
	}
	r := good()
	r.Name = "R"
	if p := (Identity{Roles: []Role{good(), r}}).check("111122223333"); p == nil || p.key != "identity.roles[1].name" {
		t.Errorf("a name that is taken: %+v", p)
	}
}
