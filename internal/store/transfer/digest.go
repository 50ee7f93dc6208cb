package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// digest is of a set of rows, in whatever order they come: the sum of their hashes.
type digest struct {
	rows int64
	sum  [4]uint64 // the least significant first
}

// add takes a row in. Text and bytes count alike, since engines tell them apart in different ways.
func (d *digest) add(values []any) {
	h := sha256.New()
	head := func(kind byte, n uint64) {
		var b [9]byte
		b[0] = kind
		binary.BigEndian.PutUint64(b[1:], n)
		h.Write(b[:])
	}
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			head(0, 0)
		case int64:
			head(1, uint64(v)) //nolint:gosec // the bits count
		case string:
			head(2, uint64(len(v)))
			h.Write([]byte(v))
		case []byte:
			head(2, uint64(len(v)))
			h.Write(v)
		default:
			panic(fmt.Sprintf("transfer: a value is a %T", v))
		}
	}
	hash := h.Sum(nil)
	var carry uint64
	for i := range d.sum {
		d.sum[i], carry = bits.Add64(d.sum[i], binary.BigEndian.Uint64(hash[8*i:]), carry)
	}
	d.rows++
}

func (d *digest) text() string {
	var b []byte
	for _, n := range d.sum {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return hex.EncodeToString(b)
}
