package appspec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const whole = `version: 0.0
os: linux
files:
  - source: /
    destination: /var/www
  - source: config/app.conf
    destination: /etc/app
file_exists_behavior: OVERWRITE
permissions:
  - object: /var/www
    pattern: "*.sh"
    except: [a.sh, b.sh]
    type:
      - file
    owner: www-data
    group: www-data
    mode: 0755
    acls:
      - "u:bob:rw"
    context:
      user: system_u
      type: httpd_sys_content_t
      range: s0
hooks:
  BeforeInstall:
    - location: scripts/a.sh
      timeout: 30
      runas: root
    - location: /scripts/b.sh
      sudo: true
  AfterInstall:
`

func TestAWholeAppSpec(t *testing.T) {
	t.Parallel()
	got, err := Parse("appspec.yml", []byte(whole), Linux)
	if err != nil {
		t.Fatal(err)
	}
	want := &Spec{
		Name: "appspec.yml", OS: Linux, FileExistsBehavior: "OVERWRITE",
		Files: []File{{".", "/var/www", 4}, {"config/app.conf", "/etc/app", 6}},
		Permissions: []Permission{{
			Object: "/var/www", Pattern: "*.sh", Except: []string{"a.sh", "b.sh"}, Types: []ObjectType{TypeFile},
			Owner: "www-data", Group: "www-data", Mode: "0755", ACL: ACL{{Kind: ACEUser, Name: "bob", Perms: 6}},
			Context: &Context{"system_u", "httpd_sys_content_t", "s0"}, Line: 10,
		}},
		Hooks: map[string][]Script{"BeforeInstall": {
			{Location: "scripts/a.sh", Timeout: 30 * time.Second, RunAs: "root", Line: 26},
			{Location: "scripts/b.sh", Timeout: time.Hour, Sudo: true, Line: 29},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestProblemsSayWhereAndWhatToDo(t *testing.T) {
	t.Parallel()
	const head = "version: 0.0\nos: linux\n"
	for _, tc := range []struct {
		name, content string
		line          int
		want          string
	}{
		{"empty", "", 0, "was empty"},
		{"only a comment", "# nothing\n", 0, "was empty"},
		{"no YAML", "version: [\n", 0, "not valid YAML"},
		{"tab", "version: 0.0\n\tos: linux\n", 2, "not valid YAML"},
		{"a list", "- a\n", 1, "not a mapping"},
		{"no version", "os: linux\n", 1, `add "version: 0.0"`},
		{"version as text", "version: \"0.0\"\nos: linux\n", 1, "without quotes"},
		{"other version", "version: 1.0\nos: linux\n", 1, "not supported"},
		{"no os", "version: 0.0\n", 1, `add "os: linux"`},
		{"unknown os", "version: 0.0\nos: beos\n", 2, `"beos"`},
		{"other os", "version: 0.0\nos: windows\n", 2, "this host runs linux"},
		{"ECS", "version: 0.0\nResources: []\n", 2, "Amazon ECS"},
		{"files no list", head + "files: x\n", 3, `begin each item with "- "`},
		{"no source", head + "files:\n  - destination: /x\n", 4, "no source"},
		{"no destination", head + "files:\n  - source: x\n", 4, "no destination"},
		{"relative destination", head + "files:\n  - source: x\n    destination: www\n", 5, "not absolute"},
		{"climbing source", head + "files:\n  - source: ../x\n    destination: /x\n", 4, "leaves the bundle"},
		{"behaviour", head + "file_exists_behavior: overwrite\n", 3, "write DISALLOW"},
		{"hook no list", head + "hooks:\n  BeforeInstall: x.sh\n", 4, "not a list"},
		{"hook item no mapping", head + "hooks:\n  BeforeInstall:\n    - x.sh\n", 5, "not a mapping"},
		{"no location", head + "hooks:\n  BeforeInstall:\n    - timeout: 3\n", 5, "has no location"},
		{"climbing location", head + "hooks:\n  BeforeInstall:\n    - location: a/../../b\n", 5, "leaves the bundle"},
		{"timeout word", head + "hooks:\n  BeforeInstall:\n    - location: x\n      timeout: soon\n", 6, "not a number above zero"},
		{"timeout zero", head + "hooks:\n  BeforeInstall:\n    - location: x\n      timeout: 0\n", 6, "not a number above zero"},
		{"timeout NaN", head + "hooks:\n  BeforeInstall:\n    - location: x\n      timeout: .nan\n", 6, "not a number"},
		{"timeout huge", head + "hooks:\n  BeforeInstall:\n    - location: x\n      timeout: 1e400\n", 6, "out of range"},
		{"timeout long", head + "hooks:\n  BeforeInstall:\n    - location: x\n      timeout: 99999999\n", 6, "30 days"},
		{"sudo", head + "hooks:\n  BeforeInstall:\n    - location: x\n      sudo: maybe\n", 6, "true or false"},
		{"twice", head + "hooks:\n  BeforeInstall: []\n  BeforeInstall: []\n", 5, "first in line 4"},
		{"object", head + "permissions:\n  - mode: 644\n", 4, "no object"},
		{"mode", head + "permissions:\n  - object: /x\n    mode: u+x\n", 5, "symbolic"},
		{"mode digits", head + "permissions:\n  - object: /x\n    mode: 888\n", 5, "octal"},
		{"type", head + "permissions:\n  - object: /x\n    type: [link]\n", 5, `"link"`},
		{"context role", head + "permissions:\n  - object: /x\n    context: {role: r, type: t}\n", 5, "role"},
		{"context type", head + "permissions:\n  - object: /x\n    context: {user: u}\n", 5, "no type"},
		{"context label", head + "permissions:\n  - object: /x\n    context: {type: -x}\n", 5, "no name of SELinux"},
		{"context user twice", head + "permissions:\n  - object: /x\n    context: {user: a_u, name: b_u, type: t}\n", 5, "mean the same"},
		{"context range", head + "permissions:\n  - object: /x\n    context: {type: t, range: s0:c2000}\n", 5, "above c1023"},
		{"acls", head + "permissions:\n  - object: /x\n    acls:\n      - u:bob:rw\n      - u::rw\n", 7, "for mode"},
		{"acls twice", head + "permissions:\n  - object: /x\n    acls: [\"u:bob:rw\",\n           \"bob:r\"]\n", 6, "same as one before"},
		{"NUL", head + "files:\n  - source: \"a\\0b\"\n    destination: /x\n", 4, "characters"},
	} {
		_, err := Parse("appspec.yml", []byte(tc.content), Linux)
		var p *Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: got %v, want a Problem", tc.name, err)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) || (tc.line > 0 && p.Line != tc.line) || !strings.HasPrefix(err.Error(), "appspec.yml") {
			t.Errorf("%s: got %q in line %d, want %q in line %d", tc.name, err, p.Line, tc.want, tc.line)
		}
	}
}

func TestWhatIsIgnoredIsSaid(t *testing.T) {
	t.Parallel()
	s, err := Parse("appspec.yml", []byte("version: 0\nos: linux\nfile: []\nhooks:\n  BeforeInstal:\n    - location: x\n      timout: 3\n"), Linux)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(s.Warnings, "\n")
	for _, want := range []string{`line 3: the key "file"`, `line 5: "BeforeInstal"`, `line 7: the key "timout"`} {
		if !strings.Contains(all, want) {
			t.Errorf("the warnings lack %q:\n%s", want, all)
		}
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	s, err := Parse("appspec.yml", []byte("version: 0.0\nos: windows\nfiles:\n  - source: \\web\\x\n    destination: C:\\inetpub\n"), Windows)
	if err != nil {
		t.Fatal(err)
	}
	if s.Files[0].Source != "web/x" {
		t.Errorf("source is %q", s.Files[0].Source)
	}
	_, err = Parse("appspec.yml", []byte("version: 0.0\nos: windows\npermissions:\n  - object: x\n"), Windows)
	if err == nil || !strings.Contains(err.Error(), "not supported on Windows") {
		t.Errorf("permissions on Windows: %v", err)
	}
}

func TestAnchorsAndMergeKeysWork(t *testing.T) {
	t.Parallel()
	s, err := Parse("appspec.yml", []byte(`version: 0.0
os: linux
hooks:
  BeforeInstall: &scripts
    - &one {location: x.sh, timeout: 5}
  AfterInstall: *scripts
  ApplicationStart:
    - <<: *one
      timeout: 9
`), Linux)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Hooks["AfterInstall"]; len(got) != 1 || got[0].Timeout != 5*time.Second {
		t.Errorf("AfterInstall %+v", got)
	}
	if got := s.Hooks["ApplicationStart"]; len(got) != 1 || got[0].Location != "x.sh" || got[0].Timeout != 9*time.Second {
		t.Errorf("ApplicationStart %+v", got)
	}
}

func TestYAMLBombsAreRefused(t *testing.T) {
	t.Parallel()
	var merges strings.Builder
	merges.WriteString("version: 0.0\nos: linux\nx0: &x0 {a: 1}\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&merges, "x%d: &x%d {<<: [*x%d, *x%d, *x%d]}\n", i, i, i-1, i-1, i-1)
	}
	merges.WriteString("hooks:\n  <<: *x39\n")
	for name, content := range map[string]string{
		"exploding merges": merges.String(),
		"self":             "version: 0.0\nos: linux\nhooks: &h\n  <<: *h\n",
		"large":            strings.Repeat("#", MaxSize+1),
		"deep":             strings.Repeat("[", 100_000),
	} {
		if _, err := Parse("appspec.yml", []byte(content), Linux); err == nil {
			t.Errorf("%s passed", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("version: 0.0\nos: linux\nhooks: &h\n  <<: *h\n"))
	f.Add([]byte("version: 0.0\nos: linux\npermissions: [{object: a, mode: 0o7, acls: x}]\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := Parse("appspec.yml", content, Linux)
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.What == "" {
				t.Errorf("the error %v is no Problem", err)
			}
			return
		}
		for _, file := range s.Files {
			if file.Source == "" || strings.HasPrefix(file.Source, "/") || file.Source == ".." || strings.HasPrefix(file.Source, "../") {
				t.Errorf("the source %q leaves the bundle", file.Source)
			}
		}
		for _, scripts := range s.Hooks {
			for _, script := range scripts {
				if script.Timeout <= 0 || script.Location == "" {
					t.Errorf("the script %+v can't run", script)
				}
			}
		}
	})
}

func TestWhatIsEmptyIsAsIfItWereAbsent(t *testing.T) {
	t.Parallel()
	s, err := Parse("appspec.yml", []byte(`version: 0.0
os: linux
files:
file_exists_behavior:
permissions:
  - object: /x
    pattern:
    except:
    type:
    owner:
    mode:
    acls:
    context:
hooks:
`), Linux)
	if err != nil {
		t.Fatal(err)
	}
	want := []Permission{{Object: "/x", Pattern: "**", Types: []ObjectType{TypeFile, TypeDirectory}, Line: 6}}
	if !reflect.DeepEqual(s.Permissions, want) {
		t.Errorf("got %+v", s.Permissions)
	}
}

func TestTheUserOfAContextMayBeItsName(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{"user: system_u", "name: system_u", "user: system_u, name: system_u"} {
		s, err := Parse("appspec.yml", []byte("version: 0.0\nos: linux\npermissions:\n  - object: /x\n    context: {"+keys+", type: httpd_sys_content_t, range: \"s0:c1,c0\"}\n"), Linux)
		if err != nil {
			t.Errorf("%s: %v", keys, err)
			continue
		}
		if got := *s.Permissions[0].Context; got != (Context{"system_u", "httpd_sys_content_t", "s0:c0.c1"}) {
			t.Errorf("%s: %+v", keys, got)
		}
	}
}

func TestPossibleEventsAreHeldAgainstTheHooks(t *testing.T) {
	t.Parallel()
	s := &Spec{Name: "appspec.yml", Hooks: map[string][]Script{"BeforeInstall": {{}}, "Own": {{}}}}
	nine := LifecycleEvents()
	for _, tc := range []struct {
		name string
		all  []string
		want string
	}{
		{"nothing said", nil, ""},
		{"all", append(nine, "Own", "Install", "DownloadBundle"), ""},
		{"a default one is missing", append(nine[1:], "Own"), "lacks BeforeBlockTraffic"},
		{"a hook is missing", nine, `the hook "Own"`},
		{"one too many", append(nine, "Own", "Other"), `"Other", for which appspec.yml has no hook`},
	} {
		err := CheckEvents(s, tc.all)
		if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}
