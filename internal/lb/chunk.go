package lb

import (
	"bytes"
	"errors"
)

// errChunk is what a chunked body that is not exactly RFC 9112 section 7.1 ends with.
var errChunk = errors.New("the chunked body is malformed")

// chunkState is the place in a chunked body at which a scanner stands.
type chunkState uint8

const (
	chunkSize     chunkState = iota // in the size; digits counts what is there
	chunkExt                        // in an extension, which is skipped
	chunkSizeLF                     // before the LF after the size
	chunkData                       // remaining bytes of data
	chunkDataCR                     // before the CR after the data
	chunkDataLF                     // before the LF after the data
	chunkTrailers                   // after the last chunk, in a line
	chunkDone
)

const (
	maxChunkDigits  = 15 // 2^60 bytes, far from overflow
	maxChunkExt     = 256
	maxTrailerBytes = 8 << 10
)

// chunkScanner finds the end of a chunked body as its bytes pass by, so that they can be given on verbatim, and refuses whatever two
// readers might take differently. The zero value stands at the start of a body.
type chunkScanner struct {
	remaining int64
	line      []byte // a trailer line under way
	trailers  int    // bytes of them
	ext       int
	digits    uint8
	state     chunkState
}

// next reads from data up to the next piece of payload or its end. n bytes belong to the body, and payload is a part of them.
func (s *chunkScanner) next(data []byte) (payload []byte, n int, err error) {
	for n < len(data) {
		c := data[n]
		switch s.state {
		case chunkSize:
			switch {
			case class[c]&isHexByte != 0 && s.digits < maxChunkDigits:
				s.remaining = s.remaining<<4 | int64(unhex(c))
				s.digits++
			case s.digits > 0 && c == ';':
				s.state, s.ext = chunkExt, 0
			case s.digits > 0 && c == '\r':
				s.state = chunkSizeLF
			default:
				return nil, n, errChunk
			}
		case chunkExt:
			s.ext++
			switch {
			case c == '\r':
				s.state = chunkSizeLF
			case class[c]&isValue == 0 || s.ext > maxChunkExt:
				return nil, n, errChunk
			}
		case chunkSizeLF:
			if c != '\n' {
				return nil, n, errChunk
			}
			s.digits = 0
			if s.state = chunkData; s.remaining == 0 {
				s.state = chunkTrailers
			}
		case chunkData:
			take := int(min(s.remaining, int64(len(data)-n)))
			payload = data[n : n+take]
			if s.remaining -= int64(take); s.remaining == 0 {
				s.state = chunkDataCR
			}
			return payload, n + take, nil
		case chunkDataCR:
			if c != '\r' {
				return nil, n, errChunk
			}
			s.state = chunkDataLF
		case chunkDataLF:
			if c != '\n' {
				return nil, n, errChunk
			}
			s.state = chunkSize
		case chunkTrailers:
			if s.trailers++; s.trailers > maxTrailerBytes {
				return nil, n, errChunk
			}
			s.line = append(s.line, c)
			if c == '\n' {
				if err := s.endTrailer(); err != nil {
					return nil, n, err
				}
			}
		case chunkDone:
			return nil, n, nil
		}
		n++
		if s.state == chunkDone {
			break
		}
	}
	return nil, n, nil
}

// endTrailer checks the trailer line that is complete. A trailer that would frame or route the message, were it merged into the
// header, is refused (RFC 9110 6.5.1).
func (s *chunkScanner) endTrailer() error {
	line, ok := bytes.CutSuffix(s.line, []byte("\r\n"))
	if !ok {
		return errChunk
	}
	if len(line) == 0 {
		s.state, s.line = chunkDone, nil
		return nil
	}
	f, wrong := parseField(line)
	if wrong != "" || f.kind != kindPlain {
		return errChunk
	}
	s.line = s.line[:0]
	return nil
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// framing knows where the body of a message ends.
type framing struct {
	chunks    chunkScanner
	remaining int64 // with bodyLength
	kind      bodyKind
}

// take says how many bytes of data belong to the body, and whether it ends with them.
func (f *framing) take(data []byte) (n int, done bool, err error) {
	switch f.kind {
	case bodyLength:
		n = int(min(f.remaining, int64(len(data))))
		f.remaining -= int64(n)
		return n, f.remaining == 0, nil
	case bodyChunked:
		for n < len(data) && f.chunks.state != chunkDone {
			_, used, err := f.chunks.next(data[n:])
			n += used
			if err != nil {
				return n, false, err
			}
		}
		return n, f.chunks.state == chunkDone, nil
	case bodyUntilClose:
		return len(data), false, nil
	case bodyNone:
	}
	return 0, true, nil
}
