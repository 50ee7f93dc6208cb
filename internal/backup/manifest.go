package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io/fs"
	"time"
)

// The names in the file. What is in the data directory has its path there under dataPrefix.
const (
	manifestName = "manifest.json"
	dataPrefix   = "data/"
	databaseDir  = "database/"
)

// formatVersion is the form of the file. A restore refuses one that it does not know.
const formatVersion = 1

// maxManifest bounds the manifest in bytes; a file in it takes some 150.
const maxManifest = 1 << 30

// Manifest says what is in a backup.
type Manifest struct {
	Format   int       `json:"format"`
	Version  string    `json:"crossfade"` // that made it
	MadeAt   time.Time `json:"madeAt"`
	Database string    `json:"database"` // the kind: sqlite or postgres
	Files    []File    `json:"files"`
	// Empty are the directories of the data directory that have nothing in them.
	Empty []string `json:"empty,omitempty"`
	// LeftOut are paths in the data directory that are neither files nor directories.
	LeftOut []string `json:"leftOut,omitempty"`
}

// File is a file in a backup.
type File struct {
	Name   string      `json:"name"`
	Size   int64       `json:"size"`
	Mode   fs.FileMode `json:"mode"`
	SHA256 string      `json:"sha256"`
}

// Bytes is how much all files have.
func (m Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

func newDigest() hash.Hash { return sha256.New() }

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
