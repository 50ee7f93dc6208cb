package appspec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const wholeECS = `version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:7"
        LoadBalancerInfo:
          ContainerName: web
          ContainerPort: 80
        PlatformVersion: LATEST
        NetworkConfiguration:
          AwsvpcConfiguration:
            Subnets: [subnet-1, subnet-2]
            SecurityGroups: [sg-1]
            AssignPublicIp: ENABLED
        CapacityProviderStrategy:
          - {Base: 1, CapacityProvider: FARGATE_SPOT, Weight: 2}
          - {Base: 0, CapacityProvider: FARGATE, Weight: 1}
Hooks:
  - BeforeInstall: check
  - AfterAllowTestTraffic: arn:aws:lambda:eu-west-1:111122223333:function:check:live
`

const wholeLambda = `{
	"version": 0.0,
	"Resources": [{"fn": {"Type": "AWS::Lambda::Function",
		"Properties": {"Name": "fn", "Alias": "live", "CurrentVersion": "1", "TargetVersion": 2}}}],
	"Hooks": [{"BeforeAllowTraffic": "before"}, {"AfterAllowTraffic": "after"}]
}
`

func texts(all []*Problem) string {
	var lines []string
	for _, p := range all {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

func TestValidAppSpecsOfEachPlatformPass(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		content  string
		platform Platform
	}{
		"server":            {whole, Server},
		"ECS":               {wholeECS, ECS},
		"Lambda":            {wholeLambda, Lambda},
		"Lambda, lowercase": {strings.NewReplacer("Resources", "resources", "Type", "type", "Properties", "properties", "Name", "name", "Version", "version").Replace(wholeLambda), Lambda},
	} {
		for _, given := range []Platform{"", tc.platform} {
			r := Validate("appspec", []byte(tc.content), given, "")
			if r.Platform != tc.platform || len(r.Problems) > 0 || (tc.platform != Server && len(r.Warnings) > 0) {
				t.Errorf("%s: platform %s, problems %s, warnings %s", name, r.Platform, texts(r.Problems), texts(r.Warnings))
			}
		}
	}
}

func TestAllProblemsAreFoundInTheirOrder(t *testing.T) {
	t.Parallel()
	r := Validate("appspec.yml", []byte(`version: 1
os: beos
files:
  - source: ../x
    destination: /x
  - destination: /y
  - source: z
    destination: z
permissions:
  - mode: 888
hooks:
  BeforeInstall:
    - location:
    - timeout: 0
      location: x
`), "", "")
	var lines []int
	for _, p := range r.Problems {
		lines = append(lines, p.Line)
		if p.What == "" || p.Hint == "" || p.Column == 0 || p.File != "appspec.yml" {
			t.Errorf("%+v is not whole", p)
		}
	}
	if want := []int{1, 2, 4, 6, 8, 10, 13, 14}; !slices.Equal(lines, want) {
		t.Errorf("the lines are %v, want %v:\n%s", lines, want, texts(r.Problems))
	}
}

func TestProblemsOfTheOtherPlatforms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ from, old, new, want string }{
		{wholeECS, "version: 0.0\n", "", "has no version"},
		{wholeECS, "version: 0.0", `version: "0.0"`, "without quotes"},
		{wholeECS, "TargetService", "Service", "name it TargetService"},
		{wholeECS, "AWS::ECS::Service", "AWS::EC2::Instance", "not one of the ECS platform"},
		{wholeECS, "        TaskDefinition: \"arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:7\"\n", "", "has no TaskDefinition"},
		{wholeECS, "ContainerName: web", "ContainerName:", "has no ContainerName"},
		{wholeECS, "ContainerPort: 80", "ContainerPort: 80808", "from 1 to 65535"},
		{wholeECS, "ContainerPort: 80", "Port: 80", "has no ContainerPort"},
		{wholeECS, "ENABLED", "yes", "write ENABLED or DISABLED"},
		{wholeECS, "            SecurityGroups: [sg-1]\n", "", "AwsvpcConfiguration has no SecurityGroups"},
		{wholeECS, "[subnet-1, subnet-2]", "[]", "Subnets is empty"},
		{wholeECS, "Base: 0", "Base: 2", "more than one capacity provider has a Base"},
		{wholeECS, ", Weight: 2", "", ""},
		{strings.Replace(wholeECS, ", Weight: 2", "", 1), ", Weight: 1", "", "no task could be placed"},
		{wholeECS, "CapacityProvider: FARGATE_SPOT, ", "", "has no CapacityProvider"},
		{wholeECS, "BeforeInstall", "BeforeInstal", `did you mean "BeforeInstall"?`},
		{wholeECS, "BeforeInstall", "ApplicationStop", "write one of BeforeInstall"},
		{wholeECS, "  - AfterAllowTestTraffic", "  - BeforeInstall", "BeforeInstall twice"},
		{wholeECS, ": check\n", ": \"not a function\"\n", "not a Lambda function"},
		{wholeLambda, `"Resources": [{`, `"Resources": [], "x": [{`, "Resources is empty"},
		{wholeLambda, `"Alias": "live", `, "", "has no Alias"},
		{wholeLambda, `"CurrentVersion": "1"`, `"CurrentVersion": "$LATEST"`, "not a whole number above zero"},
		{wholeLambda, `"TargetVersion": 2`, `"TargetVersion": 0`, "not a whole number above zero"},
		{wholeLambda, `"Properties": {`, `"Properties": null, "x": {`, "has no Properties"},
		{wholeLambda, `{"fn": {`, `{"gn": {"Type": "AWS::Lambda::Function", "Properties": {"Name": "gn", "Alias": "live", "CurrentVersion": "1", "TargetVersion": 2}}}, {"fn": {`, "more than one function"},
		{wholeLambda, "BeforeAllowTraffic", "AfterInstall", "no lifecycle event with hooks of the Lambda platform"},
		{wholeLambda, `[{"BeforeAllowTraffic": "before"}, {"AfterAllowTraffic": "after"}]`, `{"BeforeAllowTraffic": "before"}`, "not a list"},
	} {
		if !strings.Contains(tc.from, tc.old) {
			t.Fatalf("there is no %q", tc.old)
		}
		r := Validate("appspec", []byte(strings.Replace(tc.from, tc.old, tc.new, 1)), "", "")
		if tc.want == "" {
			if len(r.Problems) > 0 {
				t.Errorf("%q for %q: %s", tc.new, tc.old, texts(r.Problems))
			}
			continue
		}
		if len(r.Problems) != 1 || !strings.Contains(texts(r.Problems), tc.want) || r.Problems[0].Line == 0 {
			t.Errorf("%q for %q: got %q, want %q alone", tc.new, tc.old, texts(r.Problems), tc.want)
		}
	}
}

func TestWarningsAboutWhatMaySurprise(t *testing.T) {
	t.Parallel()
	const head = "version: 0.0\nos: linux\n"
	permission := func(text string) string { return head + "permissions:\n  - object: /x\n    " + text + "\n" }
	hook := func(text string) string {
		return head + "hooks:\n  BeforeInstall:\n    - location: x\n" + text
	}
	for _, tc := range []struct {
		file, content, want string
		line                int
	}{
		{"appspec.yml", head, "installs nothing and runs nothing", 0},
		{"dir/appspec.yaml", hook(""), "look for appspec.yml only", 0},
		{"appspec.yml", hook("      timout: 3\n"), `did you mean "timeout"?`, 6},
		{"appspec.yml", strings.Replace(hook(""), "hooks", "hook", 1), `did you mean "hooks"?`, 3},
		{"appspec.yml", strings.Replace(hook(""), "BeforeInstall", "beforeinstall", 1), `did you mean "BeforeInstall"?`, 4},
		{"appspec.yml", hook("    - location: y\n      timeout: 1\n"), "are 3601 seconds together", 4},
		{"appspec.yml", strings.Replace(hook("      runas: me\n"), "linux", "windows", 1), "runas is ignored on Windows", 6},
		{"appspec.yml", permission("mode: 0644"), "takes the mode 0644", 5},
		{"appspec.yml", permission("pattern: a/b"), "never matches", 5},
		{"appspec.yml", permission("except: [/x/a]"), "never matches", 5},
		{"appspec.yml", permission("type: file"), "write it as a list, [file]", 5},
		{"appspec.yml", permission("context: {type: t}"), "no range", 5},
		{"appspec.yml", permission("context: {type: t, user: u, range: s0}"), "reads the SELinux user from the key name", 5},
		{"appspec.yml", head + "permissions:\n  - object: x\n", "not absolute", 4},
		{"appspec.json", strings.Replace(wholeLambda, "}]", "},]", 1), "no JSON, though YAML can read it", 4},
		{"appspec.yml", strings.Replace(wholeLambda, `"1"`, `"2"`, 1), "no traffic would move", 4},
		{"appspec.yml", strings.Replace(wholeECS, "80\n", "\"80\"\n", 1), "remove the quotes", 9},
		{"appspec.yml", strings.Replace(wholeECS, "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:7", "shop:7", 1), "not the ARN", 6},
		{"appspec.yml", strings.Replace(wholeECS, "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:7", "<TASK_DEFINITION>", 1), "a pipeline replaces", 6},
	} {
		r := Validate(tc.file, []byte(tc.content), "", "")
		if len(r.Problems) > 0 {
			t.Errorf("%q: %s", tc.content, texts(r.Problems))
		}
		found := slices.ContainsFunc(r.Warnings, func(p *Problem) bool { return strings.Contains(p.Error(), tc.want) && p.Line == tc.line })
		if !found {
			t.Errorf("%q: got %q, want %q in line %d", tc.content, texts(r.Warnings), tc.want, tc.line)
		}
	}
	quiet := hook("      timeout: 3600\n      runas: me\n") + "permissions:\n  - object: /x\n    mode: 644\n    except: [a]\n    type: [file]\n" +
		"    context: {name: u, user: u, type: t, range: s0}\n  - object: /y\n    mode: \"0644\"\n"
	if r := Validate("appspec.yml", []byte(quiet), "", ""); len(r.Warnings)+len(r.Problems) > 0 {
		t.Errorf("nothing is wrong, and yet: %s%s", texts(r.Problems), texts(r.Warnings))
	}
}

func TestTheOperatingSystemMayBeLeftOpen(t *testing.T) {
	t.Parallel()
	content := []byte("version: 0.0\nfiles:\n  - source: a\\b\n    destination: c:\\x\nos: windows\n")
	if r := Validate("appspec.yml", content, Server, ""); len(r.Problems) > 0 || r.Spec.OS != Windows || r.Spec.Files[0].Source != "a/b" {
		t.Errorf("got %s, %+v", texts(r.Problems), r.Spec)
	}
	if r := Validate("appspec.yml", content, Server, Linux); !strings.Contains(texts(r.Problems), "this host runs linux") {
		t.Errorf("got %s", texts(r.Problems))
	}
}

func TestAliasesDoNotRepeatProblems(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("version: 0.0\nos: linux\nhooks:\n  BeforeInstall: &s\n    - {location: x, timeout: 0}\n")
	for i := range 300 {
		fmt.Fprintf(&b, "  E%d: *s\n", i)
	}
	for i := range 300 {
		fmt.Fprintf(&b, "  F%d: {}\n", i)
	}
	r := Validate("appspec.yml", []byte(b.String()), "", "")
	if len(r.Problems) != most || len(r.Warnings) > 2*most || r.Problems[0].Line != 5 || r.Problems[1].Line == 5 {
		t.Errorf("%d problems, %d warnings, the first %v", len(r.Problems), len(r.Warnings), r.Problems[:2])
	}
}

func FuzzValidate(f *testing.F) {
	for _, s := range []string{whole, wholeECS, wholeLambda, "Resources: &r [*r]", "{\"Hooks\": {", "version: 0.0\nResources: [{a: {Type: 1}}]\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, platform := range []Platform{"", Server, Lambda, ECS} {
			r := Validate("appspec.yml", content, platform, "")
			if len(r.Problems) > most || len(r.Warnings) > 2*most {
				t.Errorf("%d problems, %d warnings", len(r.Problems), len(r.Warnings))
			}
			for _, p := range append(r.Problems, r.Warnings...) {
				if p.What == "" || p.File == "" {
					t.Errorf("%+v says nothing", p)
				}
			}
			if r.Platform != Server {
				continue
			}
			system := Linux
			if r.Spec.OS != "" {
				system = r.Spec.OS
			}
			if _, err := Parse("appspec.yml", content, system); (err == nil) != (len(r.Problems) == 0) {
				t.Errorf("Parse says %v, Validate %s", err, texts(r.Problems))
			}
		}
	})
}
