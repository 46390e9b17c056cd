package backup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// listingTitle is a listing's first line, without the version.
const listingTitle = "regctl-listing"

// Ownership is whom what a repository has belongs to, and its rights.
type Ownership struct {
	UID, GID int
	// Files and Dirs are permission bits.
	Files, Dirs fs.FileMode
}

// linkKind is the first word of a link's line.
type linkKind string

const (
	layerLink    linkKind = "layer"
	revisionLink linkKind = "revision"
	historyLink  linkKind = "history"
	tagLink      linkKind = "tag"
)

// entry is a line of a listing about a link.
type entry struct {
	kind linkKind
	when time.Time
	tag  string // of a tag and its history
	// digest is what the link's directory is called; for a tag what it names.
	digest storage.Digest
	// target is the link's content.
	target storage.Digest
}

// path is where the link lies below the storage's root.
func (e entry) path(repository string) string {
	switch e.kind {
	case layerLink:
		return storage.LayerPath(repository, e.digest) + "/link"
	case revisionLink:
		return storage.RevisionPath(repository, e.digest) + "/link"
	case historyLink:
		return storage.HistoryPath(repository, e.tag, e.digest) + "/link"
	}
	return storage.TagLinkPath(repository, e.tag)
}

func (e entry) append(b []byte) []byte {
	b = append(b, e.kind...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, e.when.Unix(), 10)
	b = append(b, '.')
	// Nine digits: the first of ten is dropped.
	dot := len(b)
	b = strconv.AppendInt(b, 1e9+int64(e.when.Nanosecond()), 10)
	b = append(b[:dot], b[dot+1:]...)
	b = append(b, ' ')
	if e.tag != "" {
		b = append(b, e.tag...)
		b = append(b, ' ')
	}
	b, _ = e.digest.AppendText(b)
	if e.target != e.digest {
		b = append(b, ' ')
		b, _ = e.target.AppendText(b)
	}
	return append(b, '\n')
}

func blobLine(b []byte, d storage.Digest, size int64) []byte {
	b = append(b, "blob "...)
	b = strconv.AppendInt(b, size, 10)
	b = append(b, ' ')
	b, _ = d.AppendText(b)
	return append(b, '\n')
}

func repositoryLine(name string, o Ownership) []byte {
	return fmt.Appendf(nil, "repository %s %d %d %04o %04o\n", name, o.UID, o.GID, o.Files, o.Dirs)
}

// ErrListing is about a snapshot's listing that cannot be read.
var ErrListing = errors.New("damaged listing")

// listingReader gets a listing line by line. A nil function skips its lines.
type listingReader struct {
	repository func(name string, o Ownership) error
	link       func(repository string, e entry) error
	// blobs is the ownership of all blobs; it comes before them.
	blobs func(o Ownership) error
	blob  func(d storage.Digest, size int64) error
	// missing is a blob that the source did not have whole.
	missing func(d storage.Digest) error
}

// longestLine is more than any line has: two names of 255 and 128 bytes, two
// digests of 135, and numbers.
const longestLine = 1024

// readListing reads a listing and believes nothing of it: each name is one that a
// registry takes, so that what is made of it is a path in the layout.
func readListing(r io.Reader, to listingReader) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), 64<<10)
	line, repository, blobs, ended := 0, "", false, false
	bad := func(why string) error { return fmt.Errorf("%w: line %d: %s", ErrListing, line, why) }
	for s.Scan() {
		line++
		if ended {
			return bad("comes after the end")
		}
		if len(s.Bytes()) > longestLine {
			return bad("is too long")
		}
		f := strings.Split(s.Text(), " ")
		if line == 1 {
			if len(f) != 2 || f[0] != listingTitle || f[1] != strconv.Itoa(Format) {
				return bad("not a listing of a known format")
			}
			continue
		}
		switch kind := f[0]; kind {
		case "repository", "blobs":
			if kind == "repository" {
				if len(f) < 2 || !storage.ValidRepository(f[1]) || blobs {
					return bad("not a repository")
				}
				repository, f = f[1], f[1:]
			}
			o, ok := parseOwnership(f[1:])
			if !ok {
				return bad("not an owner and rights")
			}
			var err error
			if kind == "blobs" {
				blobs = true
				if to.blobs != nil {
					err = to.blobs(o)
				}
			} else if to.repository != nil {
				err = to.repository(repository, o)
			}
			if err != nil {
				return err
			}
		case string(layerLink), string(revisionLink), string(historyLink), string(tagLink):
			e, ok := parseEntry(f)
			if !ok || repository == "" || blobs {
				return bad("not a link")
			}
			if to.link != nil {
				if err := to.link(repository, e); err != nil {
					return err
				}
			}
		case "blob":
			if len(f) != 3 || !blobs {
				return bad("not a blob")
			}
			size, err := strconv.ParseInt(f[1], 10, 64)
			d, err2 := storage.ParseDigest(f[2])
			if err != nil || err2 != nil || size < 0 {
				return bad("not a blob")
			}
			if to.blob != nil {
				if err := to.blob(d, size); err != nil {
					return err
				}
			}
		case "missing":
			if len(f) != 2 {
				return bad("not a blob")
			}
			d, err := storage.ParseDigest(f[1])
			if err != nil {
				return bad("not a blob")
			}
			if to.missing != nil {
				if err := to.missing(d); err != nil {
					return err
				}
			}
		case "end":
			ended = len(f) == 1
			if !ended {
				return bad("not an end")
			}
		default:
			return bad("unknown word")
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%w: line %d: %w", ErrListing, line+1, err)
	}
	if !ended {
		return fmt.Errorf("%w: cut off after line %d", ErrListing, line)
	}
	return nil
}

func parseOwnership(f []string) (o Ownership, ok bool) {
	if len(f) != 4 {
		return o, false
	}
	uid, err1 := strconv.ParseUint(f[0], 10, 31)
	gid, err2 := strconv.ParseUint(f[1], 10, 31)
	files, err3 := strconv.ParseUint(f[2], 8, 32)
	dirs, err4 := strconv.ParseUint(f[3], 8, 32)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || files > 0o777 || dirs > 0o777 {
		return o, false
	}
	return Ownership{int(uid), int(gid), fs.FileMode(files), fs.FileMode(dirs)}, true
}

func parseEntry(f []string) (e entry, ok bool) {
	if len(f) < 3 {
		return e, false
	}
	e.kind = linkKind(f[0])
	if e.when, ok = parseTime(f[1]); !ok {
		return e, false
	}
	f = f[2:]
	if e.kind == tagLink || e.kind == historyLink {
		if !storage.ValidTag(f[0]) {
			return e, false
		}
		e.tag, f = f[0], f[1:]
	}
	if len(f) != 1 && (len(f) != 2 || e.kind != layerLink) {
		return e, false
	}
	var err error
	if e.digest, err = storage.ParseDigest(f[0]); err != nil {
		return e, false
	}
	e.target = e.digest
	if len(f) == 2 {
		if e.target, err = storage.ParseDigest(f[1]); err != nil {
			return e, false
		}
	}
	return e, true
}

func parseTime(s string) (time.Time, bool) {
	sec, nsec, ok := strings.Cut(s, ".")
	if !ok || len(nsec) != 9 {
		return time.Time{}, false
	}
	a, err1 := strconv.ParseInt(sec, 10, 64)
	b, err2 := strconv.ParseUint(nsec, 10, 32)
	if err1 != nil || err2 != nil || a < -1<<40 || a > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(a, int64(b)), true
}
