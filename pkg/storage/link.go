package storage

import (
	"errors"
	"io/fs"
	"strings"
	"time"
)

// Link is one of the small files that say what a repository has.
type Link struct {
	// Digest is the one of the link's directory.
	Digest Digest
	// Target is the link's content. It differs from Digest in an alias: a layer
	// that was pushed by its sha512 lies under its sha256. Zero if there is a fault
	// other than LinkMismatch.
	Target Digest
	// ModTime is when the link was written last, Changed the same for its inode;
	// both zero if it is missing.
	ModTime, Changed time.Time
	Fault            Fault
	// Err is why it is LinkUnreadable.
	Err error
}

// linkMost is more than any digest has.
const linkMost = 256

// ParseLink reads a link's content. A trailing newline is a fault, though the
// digest before it is returned: the registry reads nothing but the bare digest.
func ParseLink(content []byte) (Digest, Fault) {
	if len(content) == 0 {
		return Digest{}, LinkEmpty
	}
	if d, err := ParseDigest(string(content)); err == nil {
		return d, ""
	}
	if d, err := ParseDigest(strings.TrimRight(string(content), "\r\n")); err == nil {
		return d, LinkNewline
	}
	return Digest{}, LinkInvalid
}

// patience is how long a link that is missing or empty is looked at again. 2.x
// empties a link before it fills it, and a directory is there before its link.
const (
	patience = 20 * time.Millisecond
	looks    = 3
	// justNow is how young something must be to be taken for half written.
	justNow = 5 * time.Second
)

// readLink reads the link at rel below d. A tag has one as long as it is there;
// other directories lose theirs when they are deleted.
func readLink(d *dir, rel string, always bool) (l Link) {
	for look := 1; ; look++ {
		var fresh bool
		if l, fresh = readLinkOnce(d, rel); !fresh || look == looks || l.Fault == LinkMissing && !always {
			return l
		}
		time.Sleep(patience)
	}
}

func readLinkOnce(d *dir, rel string) (l Link, fresh bool) {
	var buf [linkMost]byte
	content, info, err := d.read(rel, buf[:])
	l.ModTime, l.Changed = info.ModTime, info.Changed
	switch {
	case absent(err):
		l.Fault = LinkMissing
		parent, _ := split(rel)
		dirInfo, err := d.stat(parent)
		return l, err == nil && time.Since(dirInfo.Younger()).Abs() < justNow
	case errors.Is(err, ErrTooLarge):
		l.Fault = LinkInvalid
	case err != nil:
		l.Fault, l.Err = LinkUnreadable, err
	default:
		l.Target, l.Fault = ParseLink(content)
		if l.Fault != "" {
			l.Target = Digest{}
		}
	}
	return l, l.Fault == LinkEmpty && time.Since(info.Younger()).Abs() < justNow
}

// digests calls f for each well-named directory below rel/<alg>. An algorithm
// that is not known, an uppercase name and the like are reported.
func (r *Repository) digests(rel string, f func(alg *dir, name string, d Digest) error) error {
	top, err := r.d.open(rel)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer top.close()
	return top.each(func(name string, typ fs.FileMode) error {
		alg := algorithm(name)
		if alg == 0 || !typ.IsDir() {
			r.report(join(top.path, name), typ)
			return nil
		}
		sub, err := top.open(name)
		if absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer sub.close()
		return sub.each(func(name string, typ fs.FileMode) error {
			digest, ok := fromHex(alg, name)
			if !ok || !typ.IsDir() {
				r.report(join(sub.path, name), typ)
				return nil
			}
			return f(sub, name, digest)
		})
	})
}

// links reads every link below rel/<alg>. Directories without a link that vanish
// meanwhile are left out.
func (r *Repository) links(rel string, alias bool) (out []Link, err error) {
	err = r.digests(rel, func(alg *dir, name string, digest Digest) error {
		if l, ok := r.link(alg, name, digest, alias); ok {
			out = append(out, l)
		}
		return nil
	})
	return out, err
}

func (r *Repository) link(alg *dir, name string, digest Digest, alias bool) (Link, bool) {
	l := readLink(alg, name+"/link", false)
	l.Digest = digest
	if l.Fault == LinkMissing {
		if _, err := alg.stat(name); absent(err) {
			return l, false
		}
	}
	if l.Fault == "" && l.Target != digest && !(alias && digest.alg != SHA256 && l.Target.alg == SHA256) {
		l.Fault = LinkMismatch
	}
	return l, true
}

// Revisions are the links of all manifests of the repository, each read. One that
// was deleted may still have its directory, see [LinkMissing].
func (r *Repository) Revisions() ([]Link, error) { return r.links(revisionsDir, false) }

// Revision reads the link of one manifest; absent is a LinkMissing fault.
func (r *Repository) Revision(d Digest) Link {
	l, _ := r.link(r.d, revisionsDir+"/"+d.alg.String()+"/"+d.Hex(), d, false)
	return l
}

// Signatures are the digests of the signatures that 2.x before 2.5 kept beside
// manifests of schema 1.
func (r *Repository) Signatures(d Digest) ([]Link, error) {
	return r.links(revisionsDir+"/"+d.alg.String()+"/"+d.Hex()+"/signatures", false)
}

// RevisionDigests lists the manifests without reading their links.
func (r *Repository) RevisionDigests() (out []Digest, err error) {
	err = r.digests(revisionsDir, func(_ *dir, _ string, d Digest) error {
		out = append(out, d)
		return nil
	})
	return out, err
}

// Layers calls visit for each link of a layer or config. Unless read is true the
// contents of the links of the blobs' own algorithm are not read, which is much
// faster: Target is then Digest, and only an empty, missing or irregular link is a
// fault. An alias is always read.
func (r *Repository) Layers(read bool, visit func(Link) error) error {
	return r.digests(layersDir, func(alg *dir, name string, digest Digest) error {
		if read || digest.alg != SHA256 {
			if l, ok := r.link(alg, name, digest, true); ok {
				return visit(l)
			}
			return nil
		}
		info, err := alg.stat(name + "/link")
		if err != nil || !info.Mode.IsRegular() || info.Size != linkSize {
			if l, ok := r.link(alg, name, digest, true); ok {
				return visit(l)
			}
			return nil
		}
		return visit(Link{Digest: digest, Target: digest, ModTime: info.ModTime, Changed: info.Changed})
	})
}

// linkSize is "sha256:" and the digest.
const linkSize = 7 + 64

// Layer reads one link; absent is a LinkMissing fault.
func (r *Repository) Layer(d Digest) Link {
	l, _ := r.link(r.d, layersDir+"/"+d.alg.String()+"/"+d.Hex(), d, true)
	return l
}

// LayerDigests lists the links of layers and configs without looking at them.
func (r *Repository) LayerDigests(visit func(Digest) error) error {
	return r.digests(layersDir, func(_ *dir, _ string, d Digest) error { return visit(d) })
}

// Tag is a tag of a repository.
type Tag struct {
	Name string
	// Digest is the manifest that it names now; zero if there is a fault.
	Digest Digest
	// Pushed is when it was put there last, also on the same digest; Changed is
	// the same for the inode, which a restored tag has anew.
	Pushed, Changed time.Time
	Fault           Fault
	Err             error
}

// Tags reads all tags, in no order.
func (r *Repository) Tags() ([]Tag, error) {
	top, err := r.d.open(tagsDir)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer top.close()
	var out []Tag
	err = top.each(func(name string, typ fs.FileMode) error {
		if !typ.IsDir() || !ValidTag(name) {
			r.report(join(top.path, name), typ)
			return nil
		}
		l := readLink(top, name+"/current/link", true)
		if l.Fault == LinkMissing {
			if _, err := top.stat(name); absent(err) {
				return nil // deleted meanwhile
			}
		}
		out = append(out, tag(name, l))
		return nil
	})
	return out, err
}

func tag(name string, l Link) Tag {
	return Tag{Name: name, Digest: l.Target, Pushed: l.ModTime, Changed: l.Changed, Fault: l.Fault, Err: l.Err}
}

// Tag reads one tag; absent is a LinkMissing fault.
func (r *Repository) Tag(name string) (Tag, error) {
	if !ValidTag(name) {
		return Tag{}, failed("open", name, errors.New("not a tag's name"))
	}
	return tag(name, readLink(r.d, tagsDir+"/"+name+"/current/link", true)), nil
}

// Changes is how many digests each tag has or had, as far as the file system
// tells without listing them; -1 where it does not.
func (r *Repository) Changes(tags []Tag, visit func(i, digests int)) error {
	top, err := r.d.open(tagsDir)
	if err != nil {
		return err
	}
	defer top.close()
	for i, t := range tags {
		info, err := top.stat(t.Name + "/index/sha256")
		if err == nil {
			visit(i, info.Subdirectories())
		}
	}
	return nil
}

// RecentTags are the names of the tags that were put where they are after that,
// or whose time cannot be told.
func (r *Repository) RecentTags(after time.Time) (out []string, err error) {
	top, err := r.d.open(tagsDir)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer top.close()
	err = top.each(func(name string, typ fs.FileMode) error {
		if !typ.IsDir() || !ValidTag(name) {
			return nil
		}
		if info, err := top.stat(name + "/current/link"); err != nil || info.Younger().After(after) {
			out = append(out, name)
		}
		return nil
	})
	return out, err
}

// Temporary tells a file that 3.x renames to its place and leaves when it is
// killed: link.<uuid>.tmp, data.<uuid>.tmp.
func Temporary(name string) bool {
	for _, base := range []string{"link.", "data.", "startedat."} {
		if rest, ok := strings.CutPrefix(name, base); ok && strings.HasSuffix(rest, ".tmp") {
			return true
		}
	}
	return false
}
