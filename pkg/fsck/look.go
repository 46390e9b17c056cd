package fsck

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// sizeOf is the size of a blob. One that is not in the list may have come since.
func (c *check) sizeOf(d storage.Digest) (size int64, there bool, err error) {
	if i, ok := c.index[d]; ok && !c.again {
		return c.blobs[i].size, true, nil
	}
	info, err := c.store.Stat(d)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if !info.Mode.IsRegular() {
		return 0, false, errors.New("is not a file")
	}
	return info.Size, true, nil
}

// badness is why a blob does not match its digest, empty if it does or was not
// hashed.
func (c *check) badness(d storage.Digest) string {
	if i, ok := c.index[d]; ok {
		return c.bad[i]
	}
	return ""
}

// matches tells that a blob was hashed and is good.
func (c *check) matches(d storage.Digest) bool {
	i, ok := c.index[d]
	return ok && c.hashed[i]
}

// refer notes that something leads to a blob.
func (c *check) refer(d storage.Digest) {
	if i, ok := c.index[d]; ok {
		c.referred[i].Store(true)
	}
}

// judge judges all repositories, and looks again at those that seem damaged.
func (c *check) judge(ctx context.Context) error {
	out := make([]*judgement, len(c.names))
	all := make([]int, len(c.names))
	for i := range all {
		all[i] = i
	}
	if err := c.look(ctx, PhaseJudge, all, out); err != nil {
		return err
	}
	if err := c.lookAgain(ctx, out); err != nil {
		return err
	}
	merged := map[string]*finding{}
	var list []*finding
	var broken []Broken
	sum := &c.report.Checked
	for _, j := range out {
		if j == nil {
			continue
		}
		sum.Repositories++
		sum.Tags += j.tags
		sum.Manifests += j.revs
		sum.Layers += j.links
		sum.Uploads += j.uploads
		broken = append(broken, j.broken...)
		for _, f := range j.findings {
			old, ok := merged[f.key()]
			if !ok {
				merged[f.key()] = f
				list = append(list, f)
				continue
			}
			old.tags = append(old.tags, f.tags...)
			old.repositories = append(old.repositories, f.repositories...)
			old.manifest = old.manifest || f.manifest
		}
	}
	list = append(list, c.unreferred(merged)...)
	list = append(list, c.stillThere()...)
	c.report.fill(list, broken, c.more)
	return nil
}

// unreferred counts what nothing leads to, and finds the bad among it: a push of
// such a blob would be told that it is there.
func (c *check) unreferred(known map[string]*finding) (out []*finding) {
	for i, b := range c.blobs {
		if !c.referred[i].Load() {
			c.report.Checked.Orphans++
			c.report.Checked.OrphanBytes += b.size
		}
		bad, ok := c.bad[int32(i)]
		id := badID(bad)
		if b.size == 0 && b.digest != storage.SHA256.Of(nil) && b.digest != storage.SHA512.Of(nil) {
			ok, id, bad = true, BlobEmpty, "has no bytes"
		}
		if !ok {
			continue
		}
		at := storage.BlobPath(b.digest) + "/data"
		told := false
		for _, other := range []string{BlobCorrupt, BlobEmpty, storage.ManifestCorrupt, storage.ManifestUnreadable, storage.Unreadable} {
			told = told || known[other+" "+at] != nil
		}
		if info, err := c.store.Lstat(at); told || err != nil || id == BlobEmpty && info.Size != 0 {
			continue
		}
		out = append(out, &finding{Problem: storage.Problem{ID: id, Digest: b.digest, Path: at,
			Message: "this blob " + bad + "; no manifest needs it, but a push would find it there"}, what: aboutBlob, since: c.changed(at)})
	}
	return out
}

// stillThere are the findings of the walk that still hold.
func (c *check) stillThere() []*finding {
	return slices.DeleteFunc(c.findings, func(f *finding) bool {
		_, err := c.store.Lstat(f.Path)
		return errors.Is(err, fs.ErrNotExist)
	})
}

func (c *check) look(ctx context.Context, phase Phase, which []int, out []*judgement) error {
	done := int64(0)
	return storage.Each(c.workers, len(which), func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		j := c.repository(ctx, c.names[which[i]])
		c.mu.Lock()
		defer c.mu.Unlock()
		out[which[i]] = j
		done++
		c.progress(Progress{Phase: phase, Done: done, Total: int64(len(which))})
		return nil
	})
}

// patience is for how many times the settling time a repository is looked at
// again that changes all the time.
const patience = 6

// lookAgain looks again at repositories that seem damaged until what is wrong with
// them is at rest, and keeps what every look found.
func (c *check) lookAgain(ctx context.Context, out []*judgement) error {
	c.again = true
	begun := time.Now()
	for round := 0; ; round++ {
		var which []int
		var youngest time.Time
		for i, j := range out {
			if j == nil || len(j.findings) == 0 {
				continue
			}
			at := time.Time{}
			for _, f := range j.findings {
				if c.harmless(f) {
					continue
				}
				if at = f.since; at.After(youngest) {
					youngest = at
				}
				if len(which) == 0 || which[len(which)-1] != i {
					which = append(which, i)
				}
			}
		}
		resting := time.Since(youngest) > c.opts.Settle
		if len(which) == 0 || round > 0 && (resting || time.Since(begun) > patience*c.opts.Settle) {
			return nil
		}
		if err := c.settle(ctx, youngest); err != nil {
			return err
		}
		next := make([]*judgement, len(out))
		if err := c.look(ctx, PhaseAgain, which, next); err != nil {
			return err
		}
		for _, i := range which {
			out[i] = both(out[i], next[i])
		}
	}
}

// harmless tells findings that no write under way can seem to be.
func (c *check) harmless(f *finding) bool {
	switch f.ID {
	case UploadStale, Schema1, RevisionInLayers:
		return true
	}
	return false
}

// both keeps what two looks found.
func both(before, now *judgement) *judgement {
	if now == nil {
		return nil
	}
	had := map[string]bool{}
	for _, f := range before.findings {
		had[f.key()] = true
	}
	now.findings = slices.DeleteFunc(now.findings, func(f *finding) bool { return !had[f.key()] })
	now.broken = slices.DeleteFunc(now.broken, func(b Broken) bool { return !had[b.ID+" "+b.Path] })
	return now
}
