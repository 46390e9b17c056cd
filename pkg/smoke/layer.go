package smoke

import (
	"archive/tar"
	"bytes"
	crand "crypto/rand"
	"io"
	"math/rand/v2"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a tar file with one file of random bytes. It is made anew from its
// seed each time it is read, so that its size costs no memory. It is not
// compressed: random bytes are as long as their compressed form.
type layer struct {
	seed   [32]byte
	header []byte // of the tar file
	size   int64  // of the file within
	hash   v1.Hash
	length int64 // of the tar file
}

func newLayer(size int64) (*layer, error) {
	l := &layer{size: size}
	if _, err := crand.Read(l.seed[:]); err != nil {
		return nil, err
	}
	var header bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(&tar.Header{Name: "smoke", Mode: 0o644, Size: size}); err != nil {
		return nil, err
	}
	l.header = header.Bytes()
	var err error
	l.hash, l.length, err = v1.SHA256(l.open())
	return l, err
}

// open returns the bytes of the tar file.
func (l *layer) open() io.Reader {
	// The file is padded to the block of 512 bytes, and two empty blocks end the tar file.
	tail := make([]byte, (512-l.size%512)%512+2*512)
	return io.MultiReader(bytes.NewReader(l.header), io.LimitReader(rand.NewChaCha8(l.seed), l.size), bytes.NewReader(tail))
}

// The methods of v1.Layer.

func (l *layer) Digest() (v1.Hash, error)             { return l.hash, nil }
func (l *layer) DiffID() (v1.Hash, error)             { return l.hash, nil }
func (l *layer) Size() (int64, error)                 { return l.length, nil }
func (l *layer) Compressed() (io.ReadCloser, error)   { return io.NopCloser(l.open()), nil }
func (l *layer) Uncompressed() (io.ReadCloser, error) { return io.NopCloser(l.open()), nil }
func (l *layer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
