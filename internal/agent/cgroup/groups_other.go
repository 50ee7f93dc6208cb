//go:build !linux

package cgroup

import (
	"log/slog"
	"syscall"
	"time"
)

// Groups does not exist outside of Linux.
type Groups struct{}

// Open returns nil: there are no cgroups here.
func Open(log *slog.Logger) *Groups {
	log.Debug("scripts get a process group but no cgroup", "reason", ErrUnusable)
	return nil
}

// New returns nil.
func (*Groups) New() *Group { return nil }

// Group does not exist outside of Linux.
type Group struct{}

// Attach does nothing.
func (*Group) Attach(*syscall.SysProcAttr) {}

// Refused does nothing.
func (*Group) Refused(error) {}

// Terminate does nothing.
func (*Group) Terminate() error { return nil }

// Kill does nothing.
func (*Group) Kill() error { return nil }

// Wait does nothing.
func (*Group) Wait(time.Duration) bool { return true }

// Close does nothing.
func (*Group) Close() {}
