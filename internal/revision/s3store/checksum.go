package s3store

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"
)

// Algorithm is one of the checksums that S3 knows, by its name in upper case.
type Algorithm string

// The algorithms. CRC64NVME is what S3 keeps of an object for which the client named none.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
)

// Algorithms are all of them.
func Algorithms() []Algorithm { return []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256} }

// ParseAlgorithm reads a name, in any case.
func ParseAlgorithm(name string) (Algorithm, bool) {
	for _, a := range Algorithms() {
		if strings.EqualFold(string(a), name) {
			return a, true
		}
	}
	return "", false
}

// Checksum is a checksum of a whole content, base64.
type Checksum struct {
	Algorithm Algorithm `json:"algorithm"`
	Value     string    `json:"value"`
}

func checksumOf(a Algorithm, sum []byte) Checksum {
	return Checksum{Algorithm: a, Value: base64.StdEncoding.EncodeToString(sum)}
}

func (a Algorithm) orDefault() Algorithm {
	if a == "" {
		return CRC64NVME
	}
	return a
}

// Rocksoft's polynomial, reversed.
const nvme = 0x9a6c9329ac4bc9b5

func (a Algorithm) hash() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	default:
		return crc64.New(crc64.MakeTable(nvme))
	}
}

// SumsOf are the sums of a small body.
func SumsOf(a Algorithm, body []byte) Sums {
	h, sum5 := a.orDefault().hash(), md5.Sum(body)
	h.Write(body)
	return Sums{MD5: sum5[:], Checksum: checksumOf(a.orDefault(), h.Sum(nil))}
}
