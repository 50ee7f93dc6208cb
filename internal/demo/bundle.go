package demo

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"strings"

	"crossfade/examples"
)

// bundleOf zips the sample application as the given version.
func bundleOf(version string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	root, err := fs.Sub(examples.App, "app")
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		if path == "site/VERSION" {
			content = []byte(version + "\n")
		}
		head := &zip.FileHeader{Name: path, Method: zip.Deflate}
		head.SetMode(0o644)
		if strings.HasSuffix(path, ".sh") {
			head.SetMode(0o755) // embedding loses it
		}
		w, err := z.CreateHeader(head)
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("make the bundle of %s: %w", version, err)
	}
	return b.Bytes(), nil
}
