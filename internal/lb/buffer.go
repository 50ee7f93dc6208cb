package lb

import "net"

// buffer is bytes that were read and not yet used: b[r:w].
type buffer struct {
	b    []byte
	r, w int
}

func (b *buffer) unread() []byte { return b.b[b.r:b.w] }
func (b *buffer) len() int       { return b.w - b.r }

// use marks n bytes as used. Their memory stays as it is until the next compact or read.
func (b *buffer) use(n int) {
	if b.r += n; b.r == b.w {
		b.r, b.w = 0, 0
	}
}

// room makes place for at least one more byte, in new memory if need be; it grows to at most limit bytes of capacity and reports whether
// that was enough. It does not move bytes within the same memory, so slices into it stay valid.
func (b *buffer) room(limit int) bool {
	if b.w < len(b.b) {
		return true
	}
	return b.grow(min(limit, max(2*len(b.b), 4<<10)), limit)
}

// grow provides a capacity of `size` for the bytes from r on.
func (b *buffer) grow(size, limit int) bool {
	if size > limit || size <= b.len() {
		return false
	}
	bigger := make([]byte, size)
	b.w = copy(bigger, b.unread())
	b.b, b.r = bigger, 0
	return true
}

// compact moves the unread bytes to the front. Slices into the buffer become invalid.
func (b *buffer) compact() {
	if b.r > 0 {
		b.w = copy(b.b, b.unread())
		b.r = 0
	}
}

// read reads once into the free room.
func (b *buffer) read(c net.Conn) (int, error) {
	n, err := c.Read(b.b[b.w:])
	b.w += n
	return n, err
}
