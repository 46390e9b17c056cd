package fsck

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// damagedDir is where bad data is moved to.
const damagedDir = storage.StateDir + "/damaged"

// blob is a blob that the walk found.
type blob struct {
	digest storage.Digest
	size   int64
	inode  uint64
}

// walk lists every directory, finds blobs and repositories, and what lies about.
func (c *check) walk(ctx context.Context) error {
	top, err := c.store.Lstat(layout)
	if err != nil {
		return err
	}
	c.uid, c.gid = top.UID, top.GID
	err = c.store.Walk(ctx, "docker", c.workers, c.visit, func(at string, err error) {
		c.tell(&finding{Problem: storage.Problem{ID: storage.Unreadable, Path: at, Message: err.Error()}})
	})
	if err != nil {
		return err
	}
	slices.Sort(c.names)
	c.names = slices.Compact(c.names)
	// In the order in which they lie on the disk, as far as one can tell.
	slices.SortFunc(c.blobs, func(a, b blob) int {
		if a.inode != b.inode {
			return int(min(max(int64(a.inode)-int64(b.inode), -1), 1))
		}
		return a.digest.Compare(b.digest)
	})
	c.index = make(map[storage.Digest]int32, len(c.blobs))
	for i, b := range c.blobs {
		c.index[b.digest] = int32(i)
	}
	c.referred = make([]atomic.Bool, len(c.blobs))
	c.report.Checked.Blobs = len(c.blobs)
	return c.movedAside(ctx)
}

// visit looks at one directory.
func (c *check) visit(n *storage.Node) (below []string) {
	c.attributes(n.Path, n.Info)
	in := placeOf(n.Path)
	parts := strings.Count(n.Path, "/")
	isBlob := parts == 6 && strings.HasPrefix(n.Path, blobsDir+"/")
	empty := true
	leaves := c.opts.Fast && holdsLeaves(n.Path)
	for _, e := range n.Entries {
		at := n.Path + "/" + e.Name
		switch in(e.Name, e.Type) {
		case enter:
			if leaves {
				c.leaf(n, e.Name)
				continue
			}
			below = append(below, e.Name)
		case illegal:
			c.tell(&finding{Problem: c.about(IllegalName, at, "a name that no registry takes: "+quoted(e.Name))})
		case unknown:
			c.strange(n, e)
		case fine:
			info, err := n.Lstat(e.Name)
			if err != nil {
				continue // gone meanwhile, or the judge will meet it
			}
			c.attributes(at, info)
			if isBlob {
				c.found(n.Path, info)
				empty = false
			}
		}
	}
	if isBlob && empty && len(n.Entries) == 0 && c.old(n.Info.Younger(), c.opts.Temporary) {
		c.tell(&finding{Problem: storage.Problem{ID: EmptyDirectory, Path: n.Path, Message: "there is no data in this blob's directory"}})
	}
	if name, own := splitRepository(n.Path); own == nil && strings.HasPrefix(n.Path, reposDir+"/") &&
		(slices.Contains(below, manifests) || slices.Contains(below, layersDir) || slices.Contains(below, uploads)) {
		c.mu.Lock()
		c.names = append(c.names, name)
		c.mu.Unlock()
	}
	return below
}

// holdsLeaves tells a directory of those that have a blob or a link each. To list
// them all is most of a walk's work.
func holdsLeaves(at string) bool {
	parts := strings.Split(at, "/")
	last := parts[len(parts)-1]
	return strings.HasPrefix(at, blobsDir+"/") && strings.Count(at, "/") == 5 ||
		strings.HasPrefix(at, reposDir+"/") && slices.Contains(algorithms, last) && !slices.Contains(parts, uploads)
}

// leaf looks into a directory of a blob without listing it. Those of links the
// judge reads.
func (c *check) leaf(n *storage.Node, name string) {
	if !strings.HasPrefix(n.Path, blobsDir+"/") {
		return
	}
	if info, err := n.Lstat(name + "/data"); err == nil && info.Mode.IsRegular() {
		c.attributes(n.Path+"/"+name+"/data", info)
		c.found(n.Path+"/"+name, info)
	}
}

func (c *check) found(dir string, info storage.Info) {
	parts := strings.Split(dir, "/")
	d, err := storage.ParseDigest(parts[4] + ":" + parts[6])
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blobs = append(c.blobs, blob{d, info.Size, info.Inode()})
	c.report.Checked.Bytes += info.Size
	if n := int64(len(c.blobs)); n%1024 == 0 {
		c.progress(Progress{Phase: PhaseWalk, Done: n, Bytes: c.report.Checked.Bytes})
	}
}

// strange tells of what does not belong where it is.
func (c *check) strange(n *storage.Node, e storage.Entry) {
	at := n.Path + "/" + e.Name
	if storage.Temporary(e.Name) || strings.HasPrefix(e.Name, durable.TempPrefix) {
		info, err := n.Lstat(e.Name)
		if err == nil && c.old(info.Younger(), c.opts.Temporary) {
			c.tell(&finding{since: info.Younger(), Problem: c.about(TemporaryFile, at, fmt.Sprintf("a temporary file of %d bytes that a killed process left", info.Size))})
		}
		return
	}
	what := "file"
	switch {
	case e.Type.IsDir():
		what = "directory"
	case e.Type&fs.ModeSymlink != 0:
		what = "symbolic link"
	case !e.Type.IsRegular():
		what = "special file"
	}
	// A blob or link that is no file is for the judge, if anything needs it.
	c.tell(&finding{Problem: c.about(storage.UnknownEntry, at, "a "+what+" that no registry makes")})
}

// about makes a problem of something that belongs to the repository of its path.
func (c *check) about(id, at, message string) storage.Problem {
	p := storage.Problem{ID: id, Path: at, Message: message}
	if strings.HasPrefix(at, reposDir+"/") {
		if name, own := splitRepository(at); own != nil {
			p.Repository = name
		}
	}
	return p
}

// attributes looks at owner and mode. The registry's own user is whoever owns
// the top of the storage, unless it is root, who may do anything.
func (c *check) attributes(at string, info storage.Info) {
	if info.UID != c.uid || info.GID != c.gid {
		c.tell(&finding{Problem: c.about(Owner, at, fmt.Sprintf("belongs to %d:%d, the storage to %d:%d", info.UID, info.GID, c.uid, c.gid))})
	}
	need := fs.FileMode(0o400)
	if info.Mode.IsDir() {
		need = 0o700
	}
	if mode := info.Mode.Perm(); mode&need != need || mode&0o002 != 0 {
		c.tell(&finding{Problem: c.about(Mode, at, fmt.Sprintf("has mode %04o", mode))})
	}
}

// movedAside counts what repairs moved aside, so that nobody forgets it.
func (c *check) movedAside(ctx context.Context) error {
	if _, err := c.store.Lstat(damagedDir); err != nil {
		return nil
	}
	return c.store.Walk(ctx, damagedDir, c.workers, func(n *storage.Node) (below []string) {
		for _, e := range n.Entries {
			if e.Type.IsDir() {
				below = append(below, e.Name)
				continue
			}
			if info, err := n.Lstat(e.Name); err == nil {
				c.mu.Lock()
				c.report.Checked.DamagedBytes += info.Size
				c.mu.Unlock()
			}
		}
		return below
	}, func(string, error) {})
}

// old tells whether something has been as it is for that long.
func (c *check) old(t time.Time, age time.Duration) bool { return c.now().Sub(t) > age }

// quoted keeps a hostile name to a line.
func quoted(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// changed is when the thing at a path changed last, or, if it is not there, the
// nearest directory above.
func (c *check) changed(at string) time.Time {
	for ; at != "." && at != "/"; at = path.Dir(at) {
		if info, err := c.store.Lstat(at); err == nil {
			return info.Younger()
		}
	}
	return time.Time{}
}
