// Package appspec reads the AppSpec file of the Server platform: which files go where, and which scripts run at which lifecycle event.
//
// It owns parsing and validating, with problems that name the file, the line, what is wrong and what to do. The rules are those of the
// CodeDeploy user guide, "AppSpec File reference", and of the official host agent where the guide is silent. It knows nobody: it touches
// no file, runs nothing, and neither agent nor server needs the other to use it. Input is hostile until read: size, depth and alias
// expansion are bounded. Everything here is a plain value or a function, safe for concurrent use.
package appspec

import "time"

// OS is the operating system that an AppSpec is for.
type OS string

// The operating systems of the Server platform. A darwin host counts as Linux, for trying things out.
const (
	Linux   OS = "linux"
	Windows OS = "windows"
)

// Spec is a valid AppSpec.
type Spec struct {
	Name               string // of the file, for messages
	OS                 OS
	Files              []File
	FileExistsBehavior string // DISALLOW, OVERWRITE or RETAIN; empty: the AppSpec doesn't say
	Permissions        []Permission
	Hooks              map[string][]Script // by lifecycle event; an event without scripts is absent
	Warnings           []string            // what was ignored though its author may have meant something
}

// File says that a file or the contents of a directory of the bundle go into a directory of the host.
type File struct {
	Source      string // slash-separated, relative to the bundle's root; "." is all of it
	Destination string // a directory of the host
	Line        int
}

// Script is one script of a lifecycle event.
type Script struct {
	Location string // slash-separated, relative to the bundle's root
	Timeout  time.Duration
	RunAs    string // empty: as the agent
	Sudo     bool
	Line     int
}

// DefaultTimeout is a script's timeout when the AppSpec names none.
const DefaultTimeout = 3600 * time.Second

// Permission says what special permissions the objects that a deployment installs get.
type Permission struct {
	Object  string // an absolute path of the host
	Pattern string // default "**"
	Except  []string
	Types   []ObjectType // default both
	Owner   string       // empty: unchanged
	Group   string
	Mode    string // octal digits, empty: unchanged
	ACL     ACL    // empty: unchanged
	Context *Context
	Line    int
}

// ObjectType is a kind of object that a Permission applies to.
type ObjectType string

// The object types.
const (
	TypeFile      ObjectType = "file"
	TypeDirectory ObjectType = "directory"
)

// Applies tells whether the permission is for objects of this type.
func (p Permission) Applies(t ObjectType) bool {
	for _, own := range p.Types {
		if own == t {
			return true
		}
	}
	return false
}

// LifecycleEvents are the events whose hooks run in a Server deployment, in the order of the user guide.
func LifecycleEvents() []string {
	return []string{
		"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "BeforeInstall", "AfterInstall",
		"ApplicationStart", "ValidateService", "BeforeAllowTraffic", "AfterAllowTraffic",
	}
}
