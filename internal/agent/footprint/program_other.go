//go:build !linux

package footprint

func resident() (int64, error) { return 0, nil }

func dropProgram() error { return nil }
