package inspect_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"crossfade/internal/deploy"
	"crossfade/internal/revision"
	"crossfade/internal/revision/inspect"
)

const spec = `version: 0.0
os: linux
files:
  - source: /
    destination: /srv/app
  - source: conf/app.ini
    destination: /etc/app
hooks:
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 60
`

// entry is a file, a directory ("name/") or a link ("name>target").
type entry struct{ name, text string }

var whole = []entry{{"appspec.yml", spec}, {"conf/app.ini", "a=b"}, {"scripts/", ""}, {"scripts/start.sh", "#!/bin/sh\n"}}

func pack(t testing.TB, bundleType string, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	if bundleType == "zip" {
		w := zip.NewWriter(&b)
		for _, e := range entries {
			name, target, isLink := strings.Cut(e.name, ">")
			h := &zip.FileHeader{Name: name, Method: zip.Deflate}
			h.SetMode(0o644)
			if isLink {
				h.SetMode(fs.ModeSymlink | 0o777)
				e.text = target
			}
			f, createErr := w.CreateHeader(h)
			if createErr != nil {
				t.Fatal(createErr)
			}
			if _, writeErr := io.WriteString(f, e.text); writeErr != nil {
				t.Fatal(writeErr)
			}
		}
		err = w.Close()
	} else {
		var z io.WriteCloser
		out := io.Writer(&b)
		if bundleType == "tgz" {
			z = gzip.NewWriter(&b)
			out = z
		}
		w := tar.NewWriter(out)
		for _, e := range entries {
			name, target, isLink := strings.Cut(e.name, ">")
			h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(e.text))}
			switch {
			case isLink:
				h.Typeflag, h.Linkname = tar.TypeSymlink, target
			case strings.HasSuffix(name, "/"):
				h.Typeflag = tar.TypeDir
			}
			err = errors.Join(err, w.WriteHeader(h))
			if h.Size > 0 {
				_, writeErr := io.WriteString(w, e.text)
				err = errors.Join(err, writeErr)
			}
		}
		err = errors.Join(err, w.Close())
		if z != nil {
			err = errors.Join(err, z.Close())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bundles is a place with one bundle.
type bundles struct {
	content    io.Reader
	size       int
	bundleType string
	wrong      *deploy.ErrorInfo
	err        error
}

func (b bundles) Prepare(context.Context, string, deploy.Revision) (*deploy.ErrorInfo, error) {
	return b.wrong, b.err
}

func (b bundles) Open(context.Context, string, deploy.Revision) (io.ReadCloser, revision.Info, string, error) {
	return io.NopCloser(b.content), revision.Info{Size: int64(b.size), ETag: "abc"}, b.bundleType, nil
}

func look(ctx context.Context, content []byte, bundleType string, limits inspect.Limits) (inspect.Facts, []inspect.Problem, error) {
	return inspect.New(bundles{content: bytes.NewReader(content), size: len(content), bundleType: bundleType}, limits).
		Inspect(ctx, "1", deploy.Revision{S3: &deploy.S3Location{Bucket: "b", Key: "k"}})
}

func TestAWholeBundleHasNoProblems(t *testing.T) {
	t.Parallel()
	var inTop []entry
	for _, e := range whole {
		inTop = append(inTop, entry{"shop-web-0123456/" + e.name, e.text})
	}
	linked := append(append([]entry(nil), whole[:3]...), entry{"bin/start.sh", "#!"}, entry{"scripts/start.sh>../bin/start.sh", ""})
	for _, bundleType := range []string{"tar", "tgz", "zip"} {
		for name, entries := range map[string][]entry{"plain": whole, "in one directory": inTop, "linked": linked} {
			content := pack(t, bundleType, entries)
			facts, problems, err := look(t.Context(), content, bundleType, inspect.Limits{})
			if err != nil || len(problems) > 0 {
				t.Errorf("%s %s: %v, %v", bundleType, name, problems, err)
				continue
			}
			if facts.Type != bundleType || facts.Size != int64(len(content)) || facts.Entries < 5 || facts.Bytes < int64(len(spec)) || facts.Spec == nil || facts.ETag != "abc" {
				t.Errorf("%s %s: %+v", bundleType, name, facts)
			}
		}
	}
}

func TestProblemsSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	with := func(text string) []entry { return append([]entry{{"appspec.yml", text}}, whole[1:]...) }
	zeros := entry{"zeros", strings.Repeat("\x00", 3<<20)}
	for name, tt := range map[string]struct {
		entries []entry
		says    []string // a problem each, in order
	}{
		"no AppSpec":         {whole[1:], []string{"the bundle has no AppSpec file appspec.yml at its root"}},
		"too deep":           {[]entry{{"a/appspec.yml", spec}, {"b", ""}}, []string{"no AppSpec"}},
		"a directory":        {[]entry{{"appspec.yml/x", ""}}, []string{"no AppSpec"}},
		"a bad AppSpec":      {with("version: 0.0\nos: [linux]\n"), []string{"appspec.yml line 2 column 5: os is a list"}},
		"for Windows":        {with("version: 0.0\nos: windows\nfiles:\n  - source: conf\\app.ini\n    destination: c:\\app\n"), nil},
		"missing files":      {whole[:1], []string{`appspec.yml line 6: the source "conf/app.ini" is not in the bundle`, `appspec.yml line 10: the script "scripts/start.sh" of ApplicationStart`}},
		"a script is none":   {[]entry{whole[0], whole[1], {"scripts/start.sh/x", ""}}, []string{"line 10"}},
		"a dangling script":  {[]entry{whole[0], whole[1], {"scripts/start.sh>none", ""}}, []string{"line 10"}},
		"a large AppSpec":    {with(strings.Repeat("#", 1<<20+1)), []string{"more than the 1048576 allowed"}},
		"a path out":         {append([]entry{{"../x", ""}}, whole...), []string{"climbs"}},
		"a link out":         {append([]entry{{"x>/etc", ""}}, whole...), []string{"leads out of the bundle"}},
		"a link out by ways": {append([]entry{{"a/b/c>../..", ""}, {"out>a/b/c/..", ""}}, whole...), []string{"leads out of the bundle"}},
		"a bomb":             {append([]entry{zeros}, whole...), []string{"over 20 times its size"}},
		"too many":           {[]entry{{"1", ""}, {"2", ""}, {"3", ""}, {"4", ""}, {"5", ""}, {"6", ""}, {"7", ""}, {"8", ""}, {"9", ""}, {"a", ""}, {"b", ""}}, []string{"one too many"}},
	} {
		for _, bundleType := range []string{"tgz", "zip"} {
			t.Run(name+" "+bundleType, func(t *testing.T) {
				t.Parallel()
				_, problems, err := look(t.Context(), pack(t, bundleType, tt.entries), bundleType, inspect.Limits{Ratio: 20, RatioFrom: 2<<20 + 1, Entries: 10})
				if err != nil || len(problems) != len(tt.says) {
					t.Fatalf("%v, %v; want %q", problems, err, tt.says)
				}
				for i, text := range tt.says {
					if !strings.Contains(problems[i].Error(), text) {
						t.Errorf("%v, want %q", &problems[i], text)
					}
				}
			})
		}
	}
}

func TestWhatIsNoBundleIsAProblem(t *testing.T) {
	t.Parallel()
	tgz, zipped, plain := pack(t, "tgz", whole), pack(t, "zip", whole), pack(t, "tar", whole)
	for name, tt := range map[string]struct {
		content    []byte
		bundleType string
		says       string
	}{
		"nothing":            {nil, "zip", "the file is empty"},
		"a zip as tgz":       {zipped, "tgz", "the content is not tgz"},
		"a tgz as zip":       {tgz, "zip", "the content is not zip"},
		"a zip as tar":       {zipped, "tar", "the content is not tar"},
		"YAML":               {[]byte("version: 0.0"), "YAML", "not for servers"},
		"half a zip":         {zipped[:len(zipped)/2], "zip", "damaged or no zip"},
		"half a tgz":         {tgz[:len(tgz)/2], "tgz", "damaged"},
		"half a tar":         {plain[:700], "tar", "damaged"},
		"a page":             {[]byte(strings.Repeat("<html>", 200)), "tar", "damaged"},
		"an empty tar":       {pack(t, "tar", nil), "tar", "no entries"},
		"an empty zip":       {pack(t, "zip", nil), "zip", "no entries"},
		"more than is taken": {pack(t, "tar", []entry{{"a", strings.Repeat("a", 1<<20)}}), "tar", "more bytes than are read"},
	} {
		_, problems, err := look(t.Context(), tt.content, tt.bundleType, inspect.Limits{Packed: 1 << 19})
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Error(), tt.says) {
			t.Errorf("%s: %v, %v; want %q", name, problems, err, tt.says)
		}
	}
}

func TestWhatCantBeFoundOutIsAnError(t *testing.T) {
	t.Parallel()
	r := deploy.Revision{S3: &deploy.S3Location{Bucket: "b", Key: "k"}}
	away := errors.New("the connection broke")
	for _, bundleType := range []string{"tgz", "zip"} {
		content := pack(t, bundleType, whole)
		half := io.MultiReader(bytes.NewReader(content[:len(content)/2]), iotest.ErrReader(away))
		_, problems, err := inspect.New(bundles{content: half, size: len(content), bundleType: bundleType}, inspect.Limits{}).Inspect(t.Context(), "1", r)
		if !errors.Is(err, away) || len(problems) > 0 {
			t.Errorf("%s: %v, %v", bundleType, problems, err)
		}
	}
	if _, _, err := inspect.New(bundles{err: away}, inspect.Limits{}).Inspect(t.Context(), "1", r); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, _, err := look(ended, pack(t, "tgz", whole), "tgz", inspect.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	_, problems, err := inspect.New(bundles{wrong: &deploy.ErrorInfo{Code: deploy.CodeRevisionMissing, Message: "It is not there."}}, inspect.Limits{}).Inspect(t.Context(), "1", r)
	if err != nil || len(problems) != 1 || problems[0].Error() != "bundle: It is not there." {
		t.Errorf("%v, %v", problems, err)
	}
	if _, problems, err := inspect.New(bundles{}, inspect.Limits{}).Inspect(t.Context(), "1", deploy.Revision{Type: deploy.RevisionAppSpec}); err != nil || len(problems) != 1 {
		t.Errorf("%v, %v", problems, err)
	}
}

func FuzzInspect(f *testing.F) {
	for _, bundleType := range []string{"tar", "tgz", "zip"} {
		f.Add(pack(f, bundleType, whole), bundleType)
	}
	f.Fuzz(func(t *testing.T, content []byte, bundleType string) {
		facts, problems, err := look(t.Context(), content, bundleType, inspect.Limits{Bytes: 1 << 20, Entries: 100})
		if err != nil {
			t.Fatal(err)
		}
		if facts.Bytes > 1<<20 && len(problems) == 0 {
			t.Fatal(fmt.Sprint("beyond the limits: ", facts))
		}
	})
}
