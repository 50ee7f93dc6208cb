package local

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossfade/internal/envelope"
)

// types are those of codedeploy-local.
func types() []string {
	return []string{envelope.BundleTgz, envelope.BundleTar, envelope.BundleZip, envelope.BundleDirectory}
}

// revision says where the bundle is. The location that it returns is the one to show: an absolute path, or the URL.
func (r Request) revision() (envelope.Revision, string, error) {
	if r.Type != "" && !slices.Contains(types(), r.Type) {
		return envelope.Revision{}, "", fmt.Errorf("the type %q is not one of %s", r.Type, strings.Join(types(), ", "))
	}
	scheme, _, isURL := strings.Cut(r.Location, "://")
	if !isURL {
		return r.onDisk()
	}
	u, err := url.Parse(r.Location)
	if err != nil {
		return envelope.Revision{}, "", fmt.Errorf("the bundle location can't be read: %w", err)
	}
	switch scheme {
	case "s3":
		return r.inS3(u)
	case "https":
		return r.inGitHub(u)
	case "http":
		return envelope.Revision{}, "", fmt.Errorf("the bundle location %s is not encrypted, so anybody on the way could change it: write https://", r.Location)
	default:
		return envelope.Revision{}, "", fmt.Errorf("the bundle location %q is no path, no s3:// and no https:// of GitHub", r.Location)
	}
}

func (r Request) onDisk() (envelope.Revision, string, error) {
	path, err := filepath.Abs(r.Location)
	if err != nil {
		return envelope.Revision{}, "", fmt.Errorf("the bundle location %q: %w", r.Location, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return envelope.Revision{}, "", fmt.Errorf("the bundle location can't be read: %w", err)
	}
	kind := r.Type
	if kind == "" {
		if kind = typeOf(path); info.IsDir() {
			kind = envelope.BundleDirectory
		}
	}
	revision := envelope.Revision{RevisionType: envelope.RevisionLocalFile, LocalRevision: &envelope.LocalRevision{Location: path, BundleType: kind}}
	switch {
	case kind == "":
		return envelope.Revision{}, "", fmt.Errorf("the bundle location %s is a file of no type that its name tells: say which with --type", path)
	case kind == envelope.BundleDirectory && !info.IsDir():
		return envelope.Revision{}, "", fmt.Errorf("the bundle location %s is a file and no directory: say which type of file with --type", path)
	case kind != envelope.BundleDirectory && info.IsDir():
		return envelope.Revision{}, "", fmt.Errorf("the bundle location %s is a directory and no %s file: leave out --type", path, kind)
	case kind == envelope.BundleDirectory:
		revision.RevisionType = envelope.RevisionLocalDirectory
	}
	return revision, path, nil
}

// typeOf is the type of a bundle by its name; empty: it tells none.
func typeOf(name string) string {
	for _, t := range []struct{ end, kind string }{
		{".zip", envelope.BundleZip}, {".tar", envelope.BundleTar}, {".tgz", envelope.BundleTgz}, {".tar.gz", envelope.BundleTgz},
	} {
		if strings.HasSuffix(strings.ToLower(name), t.end) {
			return t.kind
		}
	}
	return ""
}

func (r Request) inS3(u *url.URL) (envelope.Revision, string, error) {
	key := strings.TrimPrefix(u.Path, "/")
	if u.Host == "" || key == "" || u.Fragment != "" {
		return envelope.Revision{}, "", fmt.Errorf("the bundle location %q is not of the form s3://BUCKET/KEY?versionId=VERSION&etag=ETAG", r.Location)
	}
	kind := r.Type
	if kind == "" {
		kind = typeOf(key)
	}
	if kind == "" || kind == envelope.BundleDirectory {
		return envelope.Revision{}, "", fmt.Errorf("the type of %s is not known: say zip, tar or tgz with --type", r.Location)
	}
	query := u.Query()
	for name := range query {
		if name != "versionId" && name != "etag" {
			return envelope.Revision{}, "", fmt.Errorf("the bundle location %q has %q, but only versionId and etag mean something", r.Location, name)
		}
	}
	return envelope.Revision{RevisionType: envelope.RevisionS3, S3Revision: &envelope.S3Revision{
		Bucket: u.Host, Key: key, BundleType: kind, Version: query.Get("versionId"), ETag: query.Get("etag"),
	}}, r.Location, nil
}

func (r Request) inGitHub(u *url.URL) (envelope.Revision, string, error) {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	found := envelope.GitHubRevision{CommitID: "HEAD"}
	switch {
	case u.Host == "github.com" && len(parts) == 2:
		found.Account, found.Repository = parts[0], strings.TrimSuffix(parts[1], ".git")
		if r.Type == envelope.BundleTar || r.Type == envelope.BundleZip {
			found.BundleType = r.Type
		}
	case u.Host == "api.github.com" && len(parts) >= 5 && parts[0] == "repos" && parts[3] == "tarball":
		found.BundleType = envelope.BundleTar
	case u.Host == "api.github.com" && len(parts) >= 5 && parts[0] == "repos" && parts[3] == "zipball":
		found.BundleType = envelope.BundleZip
	default:
		return envelope.Revision{}, "", fmt.Errorf("the bundle location %q is not of the form https://github.com/OWNER/REPOSITORY or "+
			"https://api.github.com/repos/OWNER/REPOSITORY/tarball/COMMIT (or zipball)", r.Location)
	}
	if u.Host == "api.github.com" {
		found.Account, found.Repository, found.CommitID = parts[1], parts[2], strings.Join(parts[4:], "/")
		if r.Type != "" && r.Type != found.BundleType && r.Type != envelope.BundleDirectory {
			return envelope.Revision{}, "", fmt.Errorf("the bundle location %q is a %s: leave out --type", r.Location, found.BundleType)
		}
	}
	if found.Account == "" || found.Repository == "" || found.CommitID == "" {
		return envelope.Revision{}, "", errors.New("the bundle location lacks the owner, the repository or the commit")
	}
	return envelope.Revision{RevisionType: envelope.RevisionGitHub, GitHubRevision: &found}, r.Location, nil
}
