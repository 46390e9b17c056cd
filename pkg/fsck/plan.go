package fsck

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// Action is what a step does.
type Action string

// The actions.
const (
	// Fetch brings a blob from elsewhere. A bad one in its place is moved aside,
	// also if nobody has a good one: while it is there, no push brings one.
	Fetch Action = "fetch"
	// Link writes a link from the name of its directory.
	Link Action = "link"
	// SetTag writes a tag's current link from its history.
	SetTag Action = "tag"
)

// Step mends one thing.
type Step struct {
	Action     Action         `json:"action" doc:"fetch a blob, link what is there, or set a tag"`
	Repository string         `json:"repository,omitempty" doc:"whose link it is, or one that needs the blob"`
	Tag        string         `json:"tag,omitempty" doc:"the tag"`
	Digest     storage.Digest `json:"digest,omitzero" doc:"the blob, or what the link names"`
	Path       string         `json:"path" doc:"what is written, below the root of the storage"`
	From       string         `json:"from,omitempty" doc:"where the blob came from"`
	Aside      string         `json:"moved_aside,omitempty" doc:"where what was there lies now"`
	When       time.Time      `json:"when,omitzero" doc:"when the tag was pushed"`
	Done       bool           `json:"done" doc:"it is mended"`
	Message    string         `json:"message,omitempty" doc:"why it was not done"`

	want  Want
	about target
	bad   bool // the blob was seen not to match
}

// String is one line for a person.
func (s Step) String() string {
	var b strings.Builder
	switch s.Action {
	case Fetch:
		fmt.Fprintf(&b, "fetch %s", s.Digest)
		if s.Repository != "" {
			fmt.Fprintf(&b, " for %s", s.Repository)
		}
		if s.From != "" {
			fmt.Fprintf(&b, " from %s", s.From)
		}
	case Link:
		fmt.Fprintf(&b, "link %s in %s", s.Digest, s.Repository)
	case SetTag:
		fmt.Fprintf(&b, "set %s:%s", s.Repository, s.Tag)
		if !s.Digest.IsZero() {
			fmt.Fprintf(&b, " to %s, which it was %s", s.Digest, s.When.UTC().Format("2006-01-02 15:04Z"))
		}
	}
	if s.Aside != "" {
		fmt.Fprintf(&b, " (the old one is in %s)", s.Aside)
	}
	if s.Message != "" {
		fmt.Fprintf(&b, ": %s", s.Message)
	}
	return b.String()
}

// Plan makes steps of what a check found, in the order in which they are to be
// done: what is linked first, then the links, then the tags.
func Plan(s *storage.Store, r *Report) (steps []Step) {
	fetched := map[storage.Digest]bool{}
	fetch := func(f *finding, p string) {
		if fetched[f.Digest] {
			return
		}
		fetched[f.Digest] = true
		st := Step{Action: Fetch, Digest: f.Digest, Path: p, about: aboutBlob,
			bad:  f.ID == BlobCorrupt || f.ID == storage.ManifestCorrupt || f.ID == BlobEmpty,
			want: Want{Digest: f.Digest, Size: f.size, Manifest: f.manifest, Repositories: slices.Compact(slices.Sorted(slices.Values(f.repositories)))}}
		if len(f.repositories) > 0 {
			st.Repository = f.repositories[0]
		}
		steps = append(steps, st)
	}
	var links, tags []Step
	for _, f := range r.findings {
		st := Step{Action: Link, Repository: f.Repository, Tag: f.tag, Digest: f.Digest, Path: f.Path, about: f.what,
			want: Want{Digest: f.Digest, Size: f.size, Manifest: f.manifest, Repositories: f.repositories}}
		switch f.what {
		case aboutBlob:
			if !f.Digest.IsZero() {
				fetch(f, f.Path)
			}
		case aboutRevision:
			data := storage.BlobPath(f.Digest) + "/data"
			if _, err := s.Lstat(data); isGone(err) {
				fetch(f, data)
			}
			links = append(links, st)
		case aboutLayer, aboutHistory:
			links = append(links, st)
		case aboutCurrent:
			st.Action = SetTag
			st.Digest, st.When = candidate(s, f.Repository, f.tag)
			tags = append(tags, st)
		}
	}
	return append(append(steps, links...), tags...)
}

// candidate is what a tag whose link is damaged was last: what the link says, if
// only its newline is too much, else the latest in its history that is there.
func candidate(s *storage.Store, repository, tag string) (d storage.Digest, when time.Time) {
	r, err := s.Repository(repository, nil)
	if err != nil {
		return d, when
	}
	defer r.Close()
	if file, info, err := s.OpenFile(storage.TagLinkPath(repository, tag)); err == nil {
		defer file.Close()
		var buf [256]byte
		n, _ := file.Read(buf[:])
		if d, fault := storage.ParseLink(buf[:n]); fault == storage.LinkNewline {
			return d, info.ModTime
		}
	}
	history, err := r.History(tag)
	if err != nil {
		return d, when
	}
	for _, l := range history {
		if l.Fault != "" || !l.ModTime.After(when) || r.Revision(l.Digest).Fault != "" {
			continue
		}
		if _, err := s.Manifest(l.Digest); err == nil {
			d, when = l.Digest, l.ModTime
		}
	}
	return d, when
}

func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
