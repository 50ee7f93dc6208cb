// Package githubtest is a source host for tests: it answers as GitHub and Gitea do for repositories that are given to it, makes archives as git
// makes them, and remembers what it was asked. GitHub's form sends its archives from another host, as GitHub does. A [Host] is safe for concurrent
// use and ends with its test.
package githubtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// File is a file or link of a commit.
type File struct {
	Name string
	Text string
	Exec bool
	Link string // the target of a symbolic link; empty: a plain file
}

// Repository is a repository of the host.
type Repository struct {
	Tokens  []string          // that may see it; none: everyone may
	Commits map[string][]File // by id
}

// Asked is a request that came.
type Asked struct {
	Host          string // api or archives
	Path          string
	Authorization string
}

// Host is a running source host.
type Host struct {
	URL string // of the API

	gitea    bool
	archives *httptest.Server
	mu       sync.Mutex
	repos    map[string]Repository // by OWNER/NAME
	known    []string              // tokens
	asked    []Asked
	answer   http.HandlerFunc // in place of everything
}

// GitHub starts a host that speaks as GitHub.
func GitHub(t testing.TB) *Host { return start(t, false) }

// Gitea starts a host that speaks as Gitea.
func Gitea(t testing.TB) *Host { return start(t, true) }

func start(t testing.TB, gitea bool) *Host {
	h := &Host{gitea: gitea, repos: map[string]Repository{}}
	api := httptest.NewServer(http.HandlerFunc(h.api))
	t.Cleanup(api.Close)
	h.archives = httptest.NewServer(http.HandlerFunc(h.codeload))
	t.Cleanup(h.archives.Close)
	h.URL = api.URL
	return h
}

// Put puts a repository (OWNER/NAME) there.
func (h *Host) Put(name string, r Repository) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.repos[name] = r
	h.known = append(h.known, r.Tokens...)
}

// Answer makes the host give another answer to everything; nil: its own again.
func (h *Host) Answer(f http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

// Asked are the requests so far.
func (h *Host) Asked() []Asked {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

func (h *Host) note(host string, r *http.Request) http.HandlerFunc {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, Asked{host, r.URL.RequestURI(), r.Header.Get("Authorization")})
	return h.answer
}

// see finds a repository if the request may see it.
func (h *Host) see(name, token string) (r Repository, status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, there := h.repos[name]
	switch {
	case token != "" && !slices.Contains(h.known, token):
		return r, http.StatusUnauthorized
	case !there || len(r.Tokens) > 0 && !slices.Contains(r.Tokens, token):
		return r, http.StatusNotFound
	}
	return r, http.StatusOK
}

func (h *Host) api(w http.ResponseWriter, r *http.Request) {
	if other := h.note("api", r); other != nil {
		other(w, r)
		return
	}
	path, prefix := r.URL.Path, "/repos/"
	if h.gitea {
		prefix = "/api/v1/repos/"
	}
	rest, ok := strings.CutPrefix(path, prefix)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 2 && len(parts) != 4 {
		refuse(w, http.StatusNotFound)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "token ")
	name := parts[0] + "/" + parts[1]
	repository, status := h.see(name, token)
	if status != http.StatusOK {
		refuse(w, status)
		return
	}
	if len(parts) == 2 {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"full_name":"`+name+`"}`)
		return
	}
	form, id := parts[2], parts[3]
	if h.gitea {
		id, ok = strings.CutSuffix(id, ".tar.gz")
		ok = ok && form == "archive"
	} else {
		ok = form == "tarball"
	}
	files, there := repository.Commits[id]
	switch {
	case !ok || !there:
		refuse(w, http.StatusNotFound)
	case h.gitea:
		send(w, Archive(parts[1], id, files))
	default:
		http.Redirect(w, r, h.archives.URL+"/"+name+"/legacy.tar.gz/"+id+"?token=OPENSIT", http.StatusFound)
	}
}

// codeload sends archives to who knows the way there.
func (h *Host) codeload(w http.ResponseWriter, r *http.Request) {
	if h.note("archives", r) != nil || r.URL.Query().Get("token") != "OPENSIT" {
		refuse(w, http.StatusNotFound)
		return
	}
	name, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/legacy.tar.gz/")
	h.mu.Lock()
	files := h.repos[name].Commits[id]
	h.mu.Unlock()
	send(w, Archive(strings.ReplaceAll(name, "/", "-")+"-"+id[:7], id, files))
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, `{"message":"`+http.StatusText(status)+`"}`)
}

func send(w http.ResponseWriter, archive []byte) {
	w.Header().Set("Content-Type", "application/x-gzip")
	fmt.Fprint(w, string(archive))
}

// Archive is a tar.gz as git archive makes it: a global header with the commit's id, then everything in one directory.
func Archive(top, id string, files []File) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	when := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": id}})
	err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: top + "/", Mode: 0o775, ModTime: when, Uname: "root", Gname: "root"}))
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: top + "/" + f.Name, Mode: 0o664, Size: int64(len(f.Text)), ModTime: when, Uname: "root", Gname: "root"}
		if f.Exec {
			h.Mode = 0o775
		}
		if f.Link != "" {
			h.Typeflag, h.Linkname, h.Size, h.Mode = tar.TypeSymlink, f.Link, 0, 0o777
		}
		err = errors.Join(err, w.WriteHeader(h))
		if h.Size > 0 {
			_, writeErr := io.WriteString(w, f.Text)
			err = errors.Join(err, writeErr)
		}
	}
	if err = errors.Join(err, w.Close(), z.Close()); err != nil {
		panic(err) // into memory, of what the test gave
	}
	return b.Bytes()
}
