package storage

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// Algorithm is how a digest is made. The registry stores blobs under SHA256
// and keeps SHA512 for links that lead there.
type Algorithm uint8

// The algorithms of the registry.
const (
	SHA256 Algorithm = iota + 1
	SHA512
)

// Algorithms are all of them.
func Algorithms() []Algorithm { return []Algorithm{SHA256, SHA512} }

// String is the name in a digest and in a path, empty for the zero value.
func (a Algorithm) String() string {
	switch a {
	case SHA256:
		return "sha256"
	case SHA512:
		return "sha512"
	}
	return ""
}

// Size is the digest's length in bytes.
func (a Algorithm) Size() int {
	switch a {
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	return 0
}

// New returns a new hash; a must be one of [Algorithms].
func (a Algorithm) New() hash.Hash {
	if a == SHA512 {
		return sha512.New()
	}
	return sha256.New()
}

func algorithm(name string) Algorithm {
	switch name {
	case "sha256":
		return SHA256
	case "sha512":
		return SHA512
	}
	return 0
}

// Digest names a blob or manifest by its content. It is comparable, of fixed
// size and holds no pointer. The zero value is no digest.
type Digest struct {
	alg Algorithm
	sum [sha512.Size]byte
}

// ParseDigest reads "sha256:<64 hex>" or "sha512:<128 hex>", lower case.
func ParseDigest(s string) (Digest, error) {
	name, hexed, ok := strings.Cut(s, ":")
	if a := algorithm(name); ok && a != 0 {
		if d, ok := fromHex(a, hexed); ok {
			return d, nil
		}
	}
	return Digest{}, fmt.Errorf("not a digest: %q", abridged(s))
}

// fromHex makes a digest of its hexadecimal part.
func fromHex(a Algorithm, s string) (d Digest, ok bool) {
	if len(s) != 2*a.Size() {
		return Digest{}, false
	}
	for i := range a.Size() {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return Digest{}, false
		}
		d.sum[i] = hi<<4 | lo
	}
	d.alg = a
	return d, true
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f': // lower case alone: the registry takes nothing else
		return c - 'a' + 10
	}
	return 255
}

// Of is the digest of data.
func (a Algorithm) Of(data []byte) (d Digest) {
	d.alg = a
	if a == SHA512 {
		d.sum = sha512.Sum512(data)
		return d
	}
	sum := sha256.Sum256(data)
	copy(d.sum[:], sum[:])
	return d
}

// Sum makes a digest of a finished hash of the algorithm.
func (a Algorithm) Sum(h hash.Hash) (d Digest) {
	d.alg = a
	copy(d.sum[:], h.Sum(nil))
	return d
}

// Algorithm is 0 for the zero digest.
func (d Digest) Algorithm() Algorithm { return d.alg }

// Digest makes a digest of the algorithm of its bytes, as [Digest.Bytes] gives
// them; the zero digest if they are not as many as it takes.
func (a Algorithm) Digest(sum []byte) (d Digest) {
	if len(sum) == a.Size() && a != 0 {
		d.alg = a
		copy(d.sum[:], sum)
	}
	return d
}

// IsZero tells the digest that is none.
func (d Digest) IsZero() bool { return d.alg == 0 }

// Hex is the digest without the algorithm.
func (d Digest) Hex() string { return hex.EncodeToString(d.sum[:d.alg.Size()]) }

// Bytes is the digest without the algorithm, 32 or 64 bytes.
func (d Digest) Bytes() []byte { return d.sum[:d.alg.Size()] }

// String is "sha256:…", empty for the zero digest.
func (d Digest) String() string {
	b, _ := d.AppendText(make([]byte, 0, 7+2*sha512.Size))
	return string(b)
}

// AppendText appends [Digest.String]; the error is always nil.
func (d Digest) AppendText(b []byte) ([]byte, error) {
	if d.alg == 0 {
		return b, nil
	}
	b = append(b, d.alg.String()...)
	b = append(b, ':')
	return hex.AppendEncode(b, d.sum[:d.alg.Size()]), nil
}

// Compare orders digests as their text does.
func (d Digest) Compare(e Digest) int {
	if d.alg != e.alg {
		return int(d.alg) - int(e.alg)
	}
	return bytes.Compare(d.sum[:], e.sum[:])
}

// MarshalText is [Digest.String].
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is [ParseDigest]; empty text is the zero digest.
func (d *Digest) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	*d, err = ParseDigest(string(text))
	return err
}

// abridged keeps what is quoted in a message to a line.
func abridged(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
