package smoke

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// object is a blob or a manifest that a run pushes.
type object struct {
	manifest bool
	digest   string
	size     int64
}

// path is where it is in its repository.
func (o object) path() string {
	if o.manifest {
		return "manifests/" + o.digest
	}
	return "blobs/" + o.digest
}

// part is one manifest and the blobs it names.
type part struct {
	object
	raw   []byte // of the manifest
	blobs []object
}

// all returns the manifest and then its blobs, the order in which to delete them.
func (p part) all() []object { return append([]object{p.object}, p.blobs...) }

// content is what a run pushes. Every blob in it is random or names something
// random, so nothing of it can be in the registry before, or belong to another.
type content struct {
	image     v1.Image
	imagePart part
	index     v1.ImageIndex
	indexPart part
	children  []part // of the index
}

// newContent makes an image of two layers, of size bytes and of smallSize, and
// an index of two platforms with a small image each.
func newContent(size int64) (*content, error) {
	c := &content{index: empty.Index}
	var err error
	if c.image, err = newImage("amd64", size, smallSize); err != nil {
		return nil, err
	}
	if c.imagePart, err = describe(c.image); err != nil {
		return nil, err
	}
	for _, arch := range []string{"amd64", "arm64"} {
		child, err := newImage(arch, smallSize)
		if err != nil {
			return nil, err
		}
		p, err := describe(child)
		if err != nil {
			return nil, err
		}
		c.children = append(c.children, p)
		c.index = mutate.AppendManifests(c.index, mutate.IndexAddendum{
			Add:        child,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	c.indexPart, err = describeManifest(c.index)
	return c, err
}

// bytes is the size of all of it.
func (c *content) bytes() (n int64) {
	for _, p := range append([]part{c.imagePart, c.indexPart}, c.children...) {
		for _, o := range p.all() {
			n += o.size
		}
	}
	return n
}

func newImage(arch string, sizes ...int64) (v1.Image, error) {
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		return nil, err
	}
	for _, size := range sizes {
		l, err := newLayer(size)
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// describe lists what pushing img puts into the registry.
func describe(img v1.Image) (part, error) {
	p, err := describeManifest(img)
	if err != nil {
		return part{}, err
	}
	m, err := img.Manifest()
	if err != nil {
		return part{}, err
	}
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		p.blobs = append(p.blobs, object{digest: d.Digest.String(), size: d.Size})
	}
	return p, nil
}

func describeManifest(m interface {
	RawManifest() ([]byte, error)
	Digest() (v1.Hash, error)
}) (part, error) {
	raw, err := m.RawManifest()
	if err != nil {
		return part{}, err
	}
	digest, err := m.Digest()
	return part{object: object{manifest: true, digest: digest.String(), size: int64(len(raw))}, raw: raw}, err
}
