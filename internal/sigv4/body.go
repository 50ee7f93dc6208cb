package sigv4

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Body is the body of an S3 request as its sender meant it: the chunks of an aws-chunked body joined, and everything that the signature says of
// it checked. A reader must not act on what it read before Read has returned io.EOF: only then has all of it been judged.
type Body struct {
	src  *bufio.Reader
	form bodyForm

	sum      hash.Hash // of the whole body, or of the present chunk
	want     string
	key      []byte
	claim    Claim
	previous string // the signature before this one
	left     int64  // of the present chunk
	started  bool
	chunkSig string
	trailer  http.Header
	err      error
}

type bodyForm int

const (
	formUnsigned bodyForm = iota
	formHashed
	formChunked // unsigned chunks, checksum in the trailer
	formSigned  // signed chunks
)

// The limits of an aws-chunked body's own lines.
const (
	maxChunkLine    = 1024
	maxTrailerLines = 16
	emptyHash       = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Chunked reports whether the body is aws-chunked, so that its length is x-amz-decoded-content-length and not Content-Length.
func (c Claim) Chunked() bool { return strings.HasPrefix(c.ContentSHA256, "STREAMING-") }

// Body reads the body of an S3 request.
func (v Verified) Body(r io.Reader) *Body {
	b := &Body{src: bufio.NewReaderSize(r, 64<<10), claim: v.Claim, key: v.key, previous: v.Signature, trailer: http.Header{}}
	switch h := v.ContentSHA256; h {
	case "", UnsignedPayload:
	case streamingUnsignedTrailer:
		b.form = formChunked
	case streamingSigned, streamingSignedTrailer:
		b.form, b.sum = formSigned, sha256.New()
	default:
		b.form, b.sum, b.want = formHashed, sha256.New(), h
	}
	return b
}

// Trailer is what came after the last chunk, once Read has returned io.EOF.
func (b *Body) Trailer() http.Header { return b.trailer }

// Read implements io.Reader. A body that is not what its signature says ends in an *Error.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	n, b.err = b.read(p)
	return n, b.err
}

func (b *Body) read(p []byte) (int, error) {
	switch b.form {
	case formUnsigned:
		return b.src.Read(p)
	case formHashed:
		n, err := b.src.Read(p)
		b.sum.Write(p[:n])
		if errors.Is(err, io.EOF) && hex.EncodeToString(b.sum.Sum(nil)) != b.want {
			return n, refuse(InvalidSignature, "XAmzContentSHA256Mismatch", "The body is not the one whose x-amz-content-sha256 was signed.")
		}
		return n, err
	default:
		return b.readChunk(p)
	}
}

func (b *Body) readChunk(p []byte) (int, error) {
	if b.left == 0 {
		if err := b.nextChunk(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.src.Read(p)
	b.left -= int64(n)
	if b.form == formSigned {
		b.sum.Write(p[:n])
	}
	if errors.Is(err, io.EOF) {
		err = malformed("it ends %d bytes before the end of a chunk", b.left)
	}
	return n, err
}

func malformed(format string, args ...any) error {
	return refuse(InvalidSignature, "IncompleteBody", "The aws-chunked body can't be read: %s.", fmt.Sprintf(format, args...))
}

// nextChunk ends the present chunk and reads the head of the next; io.EOF after the last.
func (b *Body) nextChunk() error {
	if b.started {
		if err := b.endChunk(); err != nil {
			return err
		}
		if line, err := b.line(); err != nil || line != "" {
			return malformed("a chunk is not followed by an empty line")
		}
	}
	line, err := b.line()
	if errors.Is(err, io.EOF) {
		return malformed("it ends before its last chunk")
	}
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseInt(size, 16, 64)
	if err != nil || n < 0 || size == "" || size[0] == '+' {
		return malformed("%q is not the size of a chunk", clip(size))
	}
	b.started, b.left = true, n
	if b.form == formSigned {
		sig, ok := strings.CutPrefix(extension, "chunk-signature=")
		if !ok || len(sig) != 64 {
			return malformed("a chunk has no chunk-signature")
		}
		b.chunkSig = sig
		b.sum.Reset()
	}
	if n > 0 {
		return nil
	}
	if err := b.endChunk(); err != nil {
		return err
	}
	return b.readTrailer()
}

// endChunk judges the chunk that was read.
func (b *Body) endChunk() error {
	if b.form != formSigned {
		return nil
	}
	return b.judge("AWS4-HMAC-SHA256-PAYLOAD", emptyHash+"\n"+hex.EncodeToString(b.sum.Sum(nil)), b.chunkSig)
}

func (b *Body) judge(kind, hashes, signature string) error {
	text := kind + "\n" + b.claim.At.UTC().Format(timeFormat) + "\n" + b.claim.scope() + "\n" + b.previous + "\n" + hashes
	want := hex.EncodeToString(mac(b.key, text))
	if !hmac.Equal([]byte(want), []byte(signature)) {
		return refuse(InvalidSignature, "SignatureDoesNotMatch", "The signature of a chunk does not match the chunk.")
	}
	b.previous = signature
	return nil
}

// readTrailer reads what follows the last chunk and returns io.EOF when it is all in order.
func (b *Body) readTrailer() error {
	var signed bytes.Buffer
	signature := ""
	for range maxTrailerLines {
		line, err := b.line()
		if errors.Is(err, io.EOF) || err == nil && line == "" {
			return b.judgeTrailer(signed.Bytes(), signature)
		}
		if err != nil {
			return err
		}
		k, v, ok := strings.Cut(line, ":")
		if !ok {
			return malformed("%q is not a line of a trailer", clip(line))
		}
		k, v = strings.ToLower(strings.TrimSpace(k)), strings.TrimSpace(v)
		if k == "x-amz-trailer-signature" {
			signature = v
			continue
		}
		b.trailer.Add(k, v)
		signed.WriteString(k + ":" + v + "\n")
	}
	return malformed("its trailer has more than %d lines", maxTrailerLines)
}

func (b *Body) judgeTrailer(signed []byte, signature string) error {
	if b.claim.ContentSHA256 == streamingSignedTrailer {
		sum := sha256.Sum256(signed)
		if err := b.judge("AWS4-HMAC-SHA256-TRAILER", hex.EncodeToString(sum[:]), signature); err != nil {
			return err
		}
	}
	return io.EOF
}

// line reads a line without its end. io.EOF means that there is none at all.
func (b *Body) line() (string, error) {
	var line []byte
	for len(line) <= maxChunkLine {
		c, err := b.src.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return "", malformed("it ends in the middle of a line")
			}
			return "", err
		}
		if c == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, c)
	}
	return "", malformed("a line is longer than %d bytes", maxChunkLine)
}
