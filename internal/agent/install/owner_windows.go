package install

import (
	"context"
	"errors"
	"io/fs"

	"crossfade/internal/appspec"
)

var errNoOwners = errors.New("owners are not supported on Windows")

func mayOwn(context.Context, Runner, string, string) error { return errNoOwners }
func known(context.Context, Runner, appspec.ACL) error     { return errNoOwners }
func (in Instruction) chown(context.Context, Runner) error { return errNoOwners }
func copyOwner(string, fs.FileInfo) error                  { return nil }
func isNotDirectory(error) bool                            { return false }
