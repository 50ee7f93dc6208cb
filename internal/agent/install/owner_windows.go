package install

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
)

var errNoOwners = errors.New("owners are not supported on Windows")

func mayOwn(string, string) error                       { return errNoOwners }
func (in Instruction) chown() error                     { return errNoOwners }
func copyOwner(string, fs.FileInfo) error               { return nil }
func isNotDirectory(error) bool                         { return false }
func dropContext(context.Context, *slog.Logger, string) {}
