package upload

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/revision/s3store"
	"crossfade/internal/revision/s3store/s3api"
	"crossfade/internal/sigv4"
)

type keys struct{}

func (keys) Secret(context.Context, string, string) (string, error) { return "secret", nil }

// shelf is a real store of revisions that counts what it is asked, and refuses what it is told to.
type shelf struct {
	*s3.Client
	puts   atomic.Int64
	refuse func(*http.Request) bool
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := s3store.Open(s3store.Options{Dir: t.TempDir(), Log: log, Now: time.Now, NewID: func() string { return "upload" }})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.EnsureBucket("1", "releases"); err != nil {
		t.Fatal(err)
	}
	api := s3api.New(s3api.Options{Store: store, Region: "us-east-1", Account: func(context.Context) string { return "1" }, Log: log})
	verifier := &sigv4.Verifier{Region: "us-east-1", Services: []string{sigv4.ServiceS3}, Keys: keys{}, Now: time.Now}
	s := &shelf{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			s.puts.Add(1)
		}
		if s.refuse != nil && s.refuse(r) {
			api.Refuse(w, r, "AccessDenied", "refused by the test")
			return
		}
		v, err := verifier.Verify(r.Context(), r, nil)
		if err != nil {
			t.Error(err)
			api.Refuse(w, r, "SignatureDoesNotMatch", err.Error())
			return
		}
		api.ServeObject(w, r, api.About(r), v.Body(r.Body))
	}))
	t.Cleanup(srv.Close)
	s.Client = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &srv.URL, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("KEY", "secret", ""),
	})
	return s
}

func (s *shelf) content(t *testing.T, key string) []byte {
	t.Helper()
	out, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("releases"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i, chance := 0, rand.New(rand.NewPCG(1, uint64(n))); i < n; i++ { //nolint:gosec // it is noise
		b[i] = byte(chance.Uint32())
	}
	return b
}

func bundle(b []byte) Bundle {
	return Bundle{Bucket: "releases", Key: "shop.zip", Content: bytes.NewReader(b), Size: int64(len(b))}
}

// TestOnceIsEnough holds that what was put is there, and that the same bytes are not sent again, in one piece and in several.
func TestOnceIsEnough(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1000, LeastPart, LeastPart + 1, 2*LeastPart + 5} {
		s, content := newShelf(t), noise(size)
		var told []int64
		first, err := Put(t.Context(), s.Client, bundle(content), func(n int64) { told = append(told, n) })
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(s.content(t, "shop.zip"), content) || first.Already {
			t.Errorf("%d bytes: other bytes are there, or %+v", size, first)
		}
		if parts := size/(LeastPart+1) + 1; len(told) != parts || told[len(told)-1] != int64(size) {
			t.Errorf("%d bytes: the progress was %v, want %d parts", size, told, parts)
		}
		sent := s.puts.Load()
		again, err := Put(t.Context(), s.Client, bundle(content), nil)
		if err != nil || !again.Already || again.ETag != first.ETag || s.puts.Load() != sent {
			t.Errorf("%d bytes again: %+v after %+v, %v; %d sent after %d", size, again, first, err, s.puts.Load(), sent)
		}
		if size == 0 {
			continue
		}
		content[size-1]++
		if other, err := Put(t.Context(), s.Client, bundle(content), nil); err != nil || other.Already || other.ETag == first.ETag || !bytes.Equal(s.content(t, "shop.zip"), content) {
			t.Errorf("%d other bytes: %+v, %v", size, other, err)
		}
	}
}

// TestNothingIsLeftOfAFailure holds that what could not be sent whole leaves the old object and no parts.
func TestNothingIsLeftOfAFailure(t *testing.T) {
	t.Parallel()
	s, old := newShelf(t), noise(10)
	if _, err := Put(t.Context(), s.Client, bundle(old), nil); err != nil {
		t.Fatal(err)
	}
	s.refuse = func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" }
	_, err := Put(t.Context(), s.Client, bundle(noise(2*LeastPart)), nil)
	if err == nil || !strings.Contains(err.Error(), "upload to s3://releases/shop.zip: part 2: ") {
		t.Errorf("%v", err)
	}
	s.refuse = nil
	if !bytes.Equal(s.content(t, "shop.zip"), old) {
		t.Error("the old object is gone")
	}
	_, err = s.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String("releases"), Key: aws.String("shop.zip"), UploadId: aws.String("upload"), PartNumber: aws.Int32(3), Body: strings.NewReader("x")})
	if err == nil || !strings.Contains(err.Error(), "NoSuchUpload") {
		t.Errorf("the upload still takes parts: %v", err)
	}
}

// TestWritersWhoMayNotRead holds that looking first is no condition.
func TestWritersWhoMayNotRead(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.refuse = func(r *http.Request) bool { return r.Method == http.MethodHead }
	for range 2 {
		if r, err := Put(t.Context(), s.Client, bundle(noise(10)), nil); err != nil || r.Already {
			t.Errorf("%+v, %v", r, err)
		}
	}
}
