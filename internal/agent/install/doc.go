// Package install puts the files of an unpacked revision where its AppSpec says, in the order that the official agent keeps: take away what
// the group's last installation put there, decide everything, write down what is going to be done, do it, and note each thing before or as
// it is made, so that the next installation can take it away again.
//
// It owns the instruction list and the cleanup list of a deployment group, in the official agent's formats. It fetches nothing, unpacks
// nothing and runs no scripts; the only programs that it runs, by a [Runner], are those that set access control lists and SELinux contexts
// and that know the names of users. An [Installer] may be used by several goroutines, but installations must not overlap: the caller holds them
// apart, because two groups may well write to the same places.
package install

// The kinds of an Instruction.
const (
	kindCopy     = "copy"
	kindMkdir    = "mkdir"
	kindChmod    = "chmod"
	kindChown    = "chown"
	kindSetfacl  = "setfacl"
	kindSemanage = "semanage"
)

// Instruction is one thing to do on the host, in the JSON that the official agent writes.
type Instruction struct {
	Type        string   `json:"type"`
	Source      string   `json:"source,omitempty"`
	Destination string   `json:"destination,omitempty"`
	Directory   string   `json:"directory,omitempty"`
	Mode        string   `json:"mode,omitempty"`
	Owner       string   `json:"owner,omitempty"`
	Group       string   `json:"group,omitempty"`
	ACL         []string `json:"acl,omitempty"` // the AppSpec's entries alone
	Context     *Label   `json:"context,omitempty"`
	File        string   `json:"file,omitempty"`

	line    int  // of the AppSpec's entry
	replace bool // the destination exists and may be overwritten
}

// file is the content of <group>-install.json.
type file struct {
	Instructions []Instruction `json:"instructions"`
}
