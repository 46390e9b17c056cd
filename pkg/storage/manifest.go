package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// ManifestMost is the largest manifest that registries take, in bytes.
const ManifestMost = 4 << 20

// Kind is what a manifest is, whatever it calls itself.
type Kind uint8

// The kinds of manifests.
const (
	// KindImage has a config and layers: schema2, OCI image.
	KindImage Kind = iota + 1
	// KindIndex has manifests: manifest list, OCI index.
	KindIndex
	// KindArtifact has blobs: the artifact manifests of ORAS and of OCI 1.1's drafts.
	KindArtifact
	// KindSchema1 is the form before 2016: layers without sizes.
	KindSchema1
)

func (k Kind) String() string {
	switch k {
	case KindImage:
		return "image"
	case KindIndex:
		return "index"
	case KindArtifact:
		return "artifact"
	case KindSchema1:
		return "schema1"
	}
	return ""
}

// Descriptor refers to a blob or manifest.
type Descriptor struct {
	MediaType    string
	Digest       Digest
	Size         int64
	ArtifactType string
	// External tells a layer that is fetched from elsewhere, so that it need not
	// be there.
	External bool
	// OS, Architecture and Variant are of a child's platform, empty if not told.
	OS, Architecture, Variant string
}

// Platform is "linux/arm64/v8", empty if there is none.
func (d Descriptor) Platform() string {
	switch {
	case d.OS == "" && d.Architecture == "":
		return ""
	case d.Variant == "":
		return d.OS + "/" + d.Architecture
	}
	return d.OS + "/" + d.Architecture + "/" + d.Variant
}

// Manifest is a parsed manifest.
type Manifest struct {
	Kind         Kind
	MediaType    string // as it says itself, maybe empty
	ArtifactType string
	Config       *Descriptor
	Layers       []Descriptor // also blobs of an artifact and of schema1
	Manifests    []Descriptor // of an index
	Subject      *Descriptor  // what this is about: a signature's image
	Size         int64        // of the manifest itself
}

// Blobs are the descriptors of everything but manifests and subject: config and
// layers.
func (m *Manifest) Blobs() iter.Seq[Descriptor] {
	return func(yield func(Descriptor) bool) {
		if m.Config != nil && !yield(*m.Config) {
			return
		}
		for _, d := range m.Layers {
			if !yield(d) {
				return
			}
		}
	}
}

// IsIndex tells whether a descriptor's media type is one of indexes.
func (d Descriptor) IsIndex() bool {
	return d.MediaType == "application/vnd.docker.distribution.manifest.list.v2+json" || d.MediaType == "application/vnd.oci.image.index.v1+json"
}

// IsManifest tells whether a descriptor's media type is one of manifests.
func (d Descriptor) IsManifest() bool {
	switch d.MediaType {
	case "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws",
		"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
		"application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json":
		return true
	}
	return false
}

// The errors of reading a manifest.
var (
	ErrManifestMissing = errors.New("the manifest's blob is missing")
	ErrManifestCorrupt = errors.New("the manifest does not match its digest")
	ErrManifestUnknown = errors.New("not a manifest of a known kind")
)

// Manifest reads a manifest: at most [ManifestMost] bytes, compared with its
// digest before anything is believed of it.
func (s *Store) Manifest(d Digest) (*Manifest, error) {
	buf, _ := s.buffers.Get().(*[8 << 10]byte)
	if buf == nil {
		buf = new([8 << 10]byte)
	}
	defer s.buffers.Put(buf) // nothing of a parsed manifest is in it
	data, err := s.manifest(d, buf[:])
	if absent(err) {
		return nil, ErrManifestMissing
	}
	if err != nil {
		return nil, err
	}
	if d.alg.Of(data) != d {
		return nil, ErrManifestCorrupt
	}
	return ParseManifest(data)
}

// manifest reads into buf what fits there, as nearly all do: 4 MiB for each would
// be all the time.
func (s *Store) manifest(d Digest, buf []byte) ([]byte, error) {
	rel := blobBelow(d)
	data, info, err := s.v2.read(rel, buf)
	if errors.Is(err, ErrTooLarge) {
		if info.Size > ManifestMost {
			return nil, err
		}
		data, _, err = s.v2.read(rel, make([]byte, ManifestMost+1))
	}
	return data, err
}

// ManifestProblem is the ID for an error of [Store.Manifest].
func ManifestProblem(err error) string {
	switch {
	case errors.Is(err, ErrManifestMissing):
		return ManifestMissing
	case errors.Is(err, ErrManifestCorrupt):
		return ManifestCorrupt
	}
	return ManifestUnreadable
}

// These are what is decoded; the rest of a manifest is of no concern here. The
// same decoder as the registry's, so that the two see the same.
type wireDescriptor struct {
	MediaType    string          `json:"mediaType"`
	Digest       string          `json:"digest"`
	Size         int64           `json:"size"`
	ArtifactType string          `json:"artifactType"`
	URLs         json.RawMessage `json:"urls"`
	Platform     *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	} `json:"platform"`
}

type wireManifest struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	ArtifactType  string           `json:"artifactType"`
	Config        *wireDescriptor  `json:"config"`
	Layers        []wireDescriptor `json:"layers"`
	Blobs         []wireDescriptor `json:"blobs"`
	Manifests     []wireDescriptor `json:"manifests"`
	Subject       *wireDescriptor  `json:"subject"`
	FSLayers      []struct {
		BlobSum string `json:"blobSum"`
	} `json:"fsLayers"`
}

// ParseManifest parses a manifest of any kind by what it has, not by what it
// calls itself: config and layers, blobs, manifests, fsLayers, in any
// combination, of any media type, with or without a mediaType of its own. An
// error means that what it needs is not known; the caller keeps everything then.
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > ManifestMost {
		return nil, ErrTooLarge
	}
	var w wireManifest
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifestUnknown, err)
	}
	m := &Manifest{MediaType: w.MediaType, ArtifactType: w.ArtifactType, Size: int64(len(data))}
	self := Descriptor{MediaType: w.MediaType}
	switch {
	case w.Manifests != nil, self.IsIndex():
		m.Kind = KindIndex
	case w.Config != nil || w.Layers != nil:
		m.Kind = KindImage
	case w.FSLayers != nil || w.SchemaVersion == 1:
		m.Kind = KindSchema1
	case w.Blobs != nil || self.IsManifest():
		m.Kind = KindArtifact
	default:
		return nil, ErrManifestUnknown
	}
	var err error
	if m.Config, err = w.Config.descriptor("config"); err != nil {
		return nil, err
	}
	if m.Subject, err = w.Subject.descriptor("subject"); err != nil {
		return nil, err
	}
	if n := len(w.Layers) + len(w.Blobs) + len(w.FSLayers); n > 0 {
		m.Layers = make([]Descriptor, 0, n)
	}
	if m.Layers, err = descriptors(m.Layers, "layers", w.Layers); err != nil {
		return nil, err
	}
	if m.Layers, err = descriptors(m.Layers, "blobs", w.Blobs); err != nil {
		return nil, err
	}
	for i, l := range w.FSLayers {
		d, err := ParseDigest(l.BlobSum)
		if err != nil {
			return nil, fmt.Errorf("fsLayers[%d]: %w", i, err)
		}
		m.Layers = append(m.Layers, Descriptor{Digest: d})
	}
	m.Manifests, err = descriptors(nil, "manifests", w.Manifests)
	return m, err
}

func descriptors(out []Descriptor, where string, list []wireDescriptor) ([]Descriptor, error) {
	for i := range list {
		d, err := list[i].descriptor(where)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", where, i, err)
		}
		out = append(out, *d)
	}
	return out, nil
}

func (w *wireDescriptor) descriptor(where string) (*Descriptor, error) {
	if w == nil {
		return nil, nil
	}
	digest, err := ParseDigest(w.Digest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	d := &Descriptor{MediaType: w.MediaType, Digest: digest, Size: w.Size, ArtifactType: w.ArtifactType}
	d.External = len(w.URLs) > len("[]") && string(w.URLs) != "null"
	if w.Platform != nil {
		d.OS, d.Architecture, d.Variant = w.Platform.OS, w.Platform.Architecture, w.Platform.Variant
	}
	return d, nil
}
