package smoke

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestLayer(t *testing.T) {
	for _, size := range []int64{0, 1, 511, 512, 513, 1 << 20} {
		l, err := newLayer(size)
		if err != nil {
			t.Fatal(err)
		}
		rc, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		// Read in odd pieces: the bytes must not depend on how they are read.
		var data bytes.Buffer
		if _, err := io.CopyBuffer(struct{ io.Writer }{&data}, struct{ io.Reader }{rc}, make([]byte, 37)); err != nil {
			t.Fatal(err)
		}
		digest, n, err := v1.SHA256(bytes.NewReader(data.Bytes()))
		if err != nil || digest != l.hash || n != l.length {
			t.Errorf("size %d: read %s, %d bytes, want %s, %d (%v)", size, digest, n, l.hash, l.length, err)
		}
		tr := tar.NewReader(&data)
		head, err := tr.Next()
		if err != nil || head.Size != size {
			t.Fatalf("size %d: tar header %+v, %v", size, head, err)
		}
		if n, err := io.Copy(io.Discard, tr); err != nil || n != size {
			t.Errorf("size %d: the file has %d bytes, %v", size, n, err)
		}
		if _, err := tr.Next(); err != io.EOF {
			t.Errorf("size %d: the tar file does not end: %v", size, err)
		}
	}
}

// What a network may compress says nothing about the network.
func TestLayerDoesNotCompress(t *testing.T) {
	l, err := newLayer(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	w := gzip.NewWriter(&small)
	if _, err := io.Copy(w, l.open()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(small.Len()) < l.length*99/100 {
		t.Errorf("%d bytes compress to %d", l.length, small.Len())
	}
}

func TestContentIsUnique(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		c, err := newContent(1024)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		for _, p := range append([]part{c.imagePart, c.indexPart}, c.children...) {
			for _, o := range p.all() {
				if seen[o.digest] {
					t.Errorf("%s occurs twice", o.path())
				}
				seen[o.digest] = true
				n++
			}
		}
		// Image: manifest, config, two layers. Index: itself, and two children
		// of manifest, config and layer.
		if n != 4+1+2*3 {
			t.Errorf("%d objects", n)
		}
	}
}
