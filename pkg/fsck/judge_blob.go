package fsck

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/regctl/regctl/pkg/storage"
)

// layer is the link of a layer or config.
func (j *judge) layer(d storage.Digest) (storage.Link, bool) {
	l, ok := j.layers[d]
	if !ok || l.Fault == storage.LinkMissing {
		if l = j.r.Layer(d); l.Fault == storage.LinkMissing {
			return l, false
		}
		j.layers[d] = l
	}
	return l, true
}

// blob follows a config or layer.
func (j *judge) blob(d storage.Descriptor, v *trial) {
	if d.External {
		return
	}
	j.needed[d.Digest] = true
	at := storage.LayerPath(j.name, d.Digest) + "/link"
	target := d.Digest
	l, linked := j.layer(d.Digest)
	switch {
	case !linked:
		v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: LayerMissing, Repository: j.name, Digest: d.Digest, Path: at,
			Message: "a manifest names this blob, which the repository does not link"}, what: aboutLayer, repositories: []string{j.name}, size: d.Size})
	case l.Fault != "":
		v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: string(l.Fault), Repository: j.name, Digest: d.Digest, Path: at,
			Message: linkText(l.Fault, l.Err)}, what: aboutLayer, repositories: []string{j.name}, size: d.Size})
	default:
		target = l.Target
		j.needed[target] = true
		if target != d.Digest && !j.c.standsFor(j.ctx, target, d.Digest) {
			v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: string(storage.LinkMismatch), Repository: j.name, Digest: d.Digest, Path: at,
				Message: "this link leads to " + target.String() + ", whose bytes have another digest"}, what: aboutLayer, repositories: []string{j.name}, size: d.Size})
			return
		}
		if target != d.Digest && !j.canonical(target, d, v) {
			return
		}
	}
	if target.Algorithm() != storage.SHA256 && l.Fault != "" {
		return // which blob an alias led to is not known
	}
	v.faults = append(v.faults, j.data(target, d)...)
}

// canonical looks at the link of a layer that its other digest's link leads to:
// the registry serves none without.
func (j *judge) canonical(target storage.Digest, d storage.Descriptor, v *trial) (good bool) {
	l, linked := j.layer(target)
	id, message := string(l.Fault), linkText(l.Fault, l.Err)
	if !linked {
		id, message = LayerMissing, "a manifest names this blob by its "+d.Digest.Algorithm().String()+", and the repository does not link it"
	} else if l.Fault == "" {
		return true
	}
	v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: id, Repository: j.name, Digest: target, Path: storage.LayerPath(j.name, target) + "/link",
		Message: message}, what: aboutLayer, repositories: []string{j.name}, size: d.Size})
	v.faults = append(v.faults, j.data(target, d)...)
	return false
}

// data looks at the blob itself.
func (j *judge) data(target storage.Digest, d storage.Descriptor) []*finding {
	j.c.refer(target)
	path := storage.BlobPath(target) + "/data"
	f := &finding{Problem: storage.Problem{Digest: target, Path: path}, what: aboutBlob, repositories: []string{j.name}, size: d.Size}
	size, there, err := j.c.sizeOf(target)
	bad := j.c.badness(target)
	switch {
	case err != nil:
		f.ID, f.Message = storage.Unreadable, reason(err)
	case !there:
		f.ID, f.Message = BlobMissing, "this blob is not there"
	case size == 0 && target != storage.SHA256.Of(nil) && target != storage.SHA512.Of(nil):
		f.ID, f.Message = BlobEmpty, "this blob has no bytes"
	case bad != "":
		f.ID, f.Message = badID(bad), "this blob "+bad
	case d.Size != 0 && size != d.Size:
		return []*finding{j.wrongSize(storage.Descriptor{Digest: target, Size: d.Size}, size, j.c.matches(target))}
	default:
		return nil
	}
	return []*finding{f}
}

// standsFor tells whether a blob that a layer's other digest leads to has that
// digest, as far as this check hashes. That it does not match its own is another
// matter.
func (c *check) standsFor(ctx context.Context, target, alias storage.Digest) bool {
	if !slices.Contains(c.suspects, alias) && (c.opts.Fast || !c.opts.Slice.Has(alias)) {
		return true
	}
	key := [2]storage.Digest{target, alias}
	c.mu.Lock()
	good, known := c.aliases[key]
	c.mu.Unlock()
	if known && good {
		return true
	}
	f, _, err := c.store.OpenBlob(target)
	if err != nil {
		return true
	}
	defer f.Close()
	own := target.Algorithm().New()
	sum, _, err := c.hasher.sum(ctx, alias.Algorithm(), io.TeeReader(f, own))
	good = err != nil || sum == alias || target.Algorithm().Sum(own) != target
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aliases[key] = good
	return good
}

// badID tells a blob that the disk does not give from one that is another.
func badID(bad string) string {
	if strings.HasPrefix(bad, "cannot") {
		return storage.Unreadable
	}
	return BlobCorrupt
}

func (j *judge) wrongSize(d storage.Descriptor, size int64, matches bool) *finding {
	f := &finding{Problem: storage.Problem{ID: BlobSize, Digest: d.Digest, Path: storage.BlobPath(d.Digest) + "/data",
		Message: fmt.Sprintf("this blob has %d bytes, a manifest says %d", size, d.Size)}, what: aboutBlob, repositories: []string{j.name}, size: d.Size}
	if matches {
		f.ID, f.what = DescriptorSize, aboutNothing
		f.Message = fmt.Sprintf("a manifest says that this blob has %d bytes, it has %d and matches its digest", d.Size, size)
	}
	return f
}

func (j *judge) signatures(d storage.Digest) {
	links, err := j.r.Signatures(d)
	if err != nil {
		j.unreadable(storage.RevisionPath(j.name, d)+"/signatures", err)
	}
	for _, l := range links {
		j.c.refer(l.Digest)
	}
}

// unneeded looks at the links of layers that no manifest names.
func (j *judge) unneeded() {
	for d, l := range j.layers {
		if l.Fault == storage.LinkMissing {
			continue
		}
		j.c.refer(d)
		if j.needed[d] {
			continue
		}
		at := storage.LayerPath(j.name, d) + "/link"
		if l.Fault != "" {
			// A client that asks for it gets an error, and cannot push.
			j.other = append(j.other, &finding{Problem: storage.Problem{ID: string(l.Fault), Repository: j.name, Digest: d, Path: at,
				Message: linkText(l.Fault, l.Err)}, what: aboutLayer, repositories: []string{j.name}})
			continue
		}
		j.c.refer(l.Target)
		if _, there, err := j.c.sizeOf(l.Target); err == nil && !there {
			j.other = append(j.other, &finding{Problem: storage.Problem{ID: LayerDangling, Repository: j.name, Digest: d, Path: path.Clean(at),
				Message: "the link of a blob that is not there, which no manifest needs"}})
		}
	}
}
