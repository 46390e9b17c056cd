package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/regctl/regctl/pkg/storage"
)

// VerifyOptions say how deep a look is taken.
type VerifyOptions struct {
	// Data is how many of the blobs are read and compared with their digest: 0 none,
	// 1 all, between a random part.
	Data     float64
	Command  string
	Progress func(Progress)
}

// Verified is what was found.
type Verified struct {
	Snapshots int       `json:"snapshots" doc:"how many were looked at"`
	Blobs     int64     `json:"blobs" doc:"that they need"`
	Bytes     int64     `json:"bytes" doc:"of these"`
	Read      int64     `json:"read" doc:"blobs that were read and compared with their digest"`
	ReadBytes int64     `json:"read_bytes" doc:"of these"`
	Unused    int64     `json:"unused" doc:"blobs that no snapshot needs; prune removes them"`
	Links     bool      `json:"links" doc:"the listings of links were read, too; false when they are encrypted and there is no identity"`
	Problems  []Problem `json:"problems" doc:"what needs a person"`
}

// Verify looks whether the store has what its snapshots need. Listings are read
// and compared with their sums; where they are encrypted and there is no identity,
// only the lists of blobs. To read blobs of an encrypted store takes an identity.
func (s *Store) Verify(ctx context.Context, opts VerifyOptions) (out *Verified, err error) {
	if opts.Progress == nil {
		opts.Progress = func(Progress) {}
	}
	out = &Verified{Problems: []Problem{}, Links: !s.head.Encrypted || s.keys.CanOpen()}
	if opts.Data > 0 && !out.Links {
		_, err := s.keys.open(nil)
		return out, err
	}
	release, ctx, err := s.Reading(ctx, opts.Command)
	if err != nil {
		return out, err
	}
	defer release()
	snaps, problems, err := s.Snapshots(ctx)
	if err != nil {
		return out, err
	}
	out.Problems = append(out.Problems, problems...)
	need := newBlobSet()
	for i, snap := range snaps {
		opts.Progress(Progress{Phase: PhaseScan, Done: int64(i), Total: int64(len(snaps))})
		if err := s.verifySnapshot(ctx, snap, out.Links, need); err != nil {
			if ctx.Err() != nil || errors.Is(err, ErrKey) || away(err) {
				return out, err
			}
			out.Problems = append(out.Problems, Problem{ID: SnapshotDamaged, Path: snapshotsDir + snap.ID, Message: err.Error()})
			continue
		}
		out.Snapshots++
	}
	if err := s.verifyBlobs(ctx, need, opts, out); err != nil {
		return out, err
	}
	slices.SortFunc(out.Problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// Reading keeps others from removing anything while the store is read, where it
// can be written to: one that is only lent for reading has no prune either. The
// context that it returns ends when somebody breaks the lock.
func (s *Store) Reading(ctx context.Context, command string) (release func(), _ context.Context, err error) {
	held, l, err := s.Locked(ctx, false, command)
	if readOnly(err) {
		return func() {}, ctx, nil
	}
	if err != nil {
		return nil, ctx, err
	}
	return func() { _ = l.Release() }, held, nil
}

// verifySnapshot reads a snapshot's parts and adds the blobs that it needs.
func (s *Store) verifySnapshot(ctx context.Context, snap *Snapshot, links bool, need *blobSet) error {
	has := newBlobSet()
	count := 0
	err := s.listing(ctx, snap.ID, blobsName, listingReader{
		blob: func(d storage.Digest, size int64) error {
			has.put(d, size)
			need.put(d, size)
			count++
			return nil
		},
		missing: func(d storage.Digest) error { has.put(d, -1); return nil },
	})
	if err != nil {
		return err
	}
	if count != snap.Blobs {
		return fmt.Errorf("%w: it lists %d blobs, its summary says %d", ErrSnapshot, count, snap.Blobs)
	}
	if !links {
		return nil
	}
	n := 0
	err = s.listing(ctx, snap.ID, listingName, listingReader{link: func(repository string, e entry) error {
		n++
		if _, ok := has.get(e.target); !ok && (e.kind == layerLink || e.kind == revisionLink) {
			return fmt.Errorf("%w: it does not list the blob %s, which %s names", ErrSnapshot, e.target, repository)
		}
		return nil
	}})
	if err == nil && n != snap.Links {
		err = fmt.Errorf("%w: it lists %d links, its summary says %d", ErrSnapshot, n, snap.Links)
	}
	if err == nil {
		_, err = s.Config(ctx, snap)
	}
	return err
}

func (s *Store) verifyBlobs(ctx context.Context, need *blobSet, opts VerifyOptions, out *Verified) error {
	present, err := s.present(ctx)
	if err != nil {
		return err
	}
	bad := func(id string, d storage.Digest, message string) {
		out.Problems = append(out.Problems, Problem{ID: id, Digest: d, Path: s.blobName(d), Message: message})
	}
	read := newBlobSet()
	var spare storage.Digest // any of those that were not drawn
	var spareSize int64
	left := 0 // how many these are
	for d, size := range need.all() {
		out.Blobs++
		out.Bytes += size
		object, ok := present.get(d)
		switch {
		case !ok:
			bad(ObjectMissing, d, "a snapshot needs the blob, and it is not there")
		case !s.sizeFits(object, size):
			bad(ObjectSize, d, fmt.Sprintf("the object has %d bytes, which is wrong for a blob of %d", object, size))
		case rand.Float64() < opts.Data:
			read.put(d, size)
		default:
			if left++; rand.IntN(left) == 0 {
				spare, spareSize = d, size
			}
		}
		present.remove(d)
	}
	out.Unused = int64(present.len())
	if opts.Data > 0 && read.len() == 0 && left > 0 {
		read.put(spare, spareSize) // a part of few is one at least
	}
	var total int64
	for _, size := range read.all() {
		total += size
	}
	var mu sync.Mutex
	return s.eachBlob(ctx, read, max(4, runtime.GOMAXPROCS(0)), func(d storage.Digest, size int64, r io.Reader) error {
		v := newVerified(r, d, size, func(int) {})
		_, err := io.CopyBuffer(io.Discard, onlyReader{v}, make([]byte, min(copyBuffer, size+1)))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if away(err) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		out.Read++
		out.ReadBytes += size
		opts.Progress(Progress{PhaseVerify, out.Read, int64(read.len()), out.ReadBytes, total})
		if err != nil {
			bad(ObjectCorrupt, d, err.Error())
		}
		return nil
	}, func(d storage.Digest, id string, err error) {
		mu.Lock()
		defer mu.Unlock()
		bad(id, d, err.Error())
	})
}

// onlyReader hides WriteTo.
type onlyReader struct{ io.Reader }
