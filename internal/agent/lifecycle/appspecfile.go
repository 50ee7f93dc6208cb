package lifecycle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"crossfade/internal/agent/rootdir"
	"crossfade/internal/appspec"
)

// hostOS is what an AppSpec must be for. A darwin host takes what is for Linux.
func hostOS() appspec.OS {
	if runtime.GOOS == "windows" {
		return appspec.Windows
	}
	return appspec.Linux
}

// readAppSpec reads the AppSpec of a deployment: the file that the deployment names, else one of the usual names.
func (h *Host) readAppSpec(p rootdir.Deployment, named string) (*appspec.Spec, error) {
	if unpacked, err := p.Unpacked(); err != nil {
		return nil, err
	} else if !unpacked {
		return nil, fmt.Errorf("the revision in %s is not on this host any more, so its AppSpec can't be read: deploy again, "+
			"ignoring ApplicationStop failures if its scripts are the ones missing", p.Path())
	}
	for _, name := range []string{named, "appspec.yaml", "appspec.yml"} {
		content, err := readBounded(filepath.Join(p.Archive(), filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read AppSpec: %w", err)
		}
		s, err := appspec.Parse(name, content, hostOS())
		if err != nil {
			return nil, err
		}
		for _, w := range s.Warnings {
			h.Log.Warn("AppSpec", "warning", w)
		}
		return s, nil
	}
	return nil, fmt.Errorf("the bundle has no AppSpec file %s at its root: pack it so that the file is at the top", named)
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, appspec.MaxSize+1))
}
