package fsck

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// Report is what a check found.
type Report struct {
	Fast       bool      `json:"fast" doc:"no blob but manifests was hashed"`
	Slice      string    `json:"slice,omitempty" doc:"the part of the blobs that was hashed"`
	Checked    Checked   `json:"checked" doc:"what was looked at"`
	Broken     []Broken  `json:"unpullable" doc:"tags that cannot be pulled whole; the first 2000"`
	Tags       int       `json:"unpullable_tags" doc:"how many these are in all"`
	Found      []Found   `json:"found" doc:"how many problems of each ID there are in all, the worst first"`
	Problems   []Problem `json:"problems" doc:"the worst first; at most 1000 of damage, and 50 of each other ID"`
	DurationMS int64     `json:"duration_ms" doc:"how long it took, in milliseconds"`

	// findings are all, for what mends them.
	findings []*finding
}

// Checked counts what was looked at.
type Checked struct {
	Repositories int   `json:"repositories" doc:"repositories"`
	Tags         int   `json:"tags" doc:"tags of all repositories"`
	Manifests    int   `json:"manifests" doc:"manifests of all repositories, each counted in each"`
	Layers       int   `json:"layers" doc:"links of layers and configs of all repositories"`
	Uploads      int   `json:"uploads" doc:"uploads that are not finished"`
	Blobs        int   `json:"blobs" doc:"objects under blobs/, manifests too"`
	Bytes        int64 `json:"bytes" doc:"of these"`
	Hashed       int   `json:"hashed" doc:"blobs that were read and compared with their digest"`
	HashedBytes  int64 `json:"hashed_bytes" doc:"bytes of these"`
	Orphans      int   `json:"orphans" doc:"blobs that no manifest and no repository refers to: gc frees them when they are older than its grace"`
	OrphanBytes  int64 `json:"orphan_bytes" doc:"bytes of these"`
	DamagedBytes int64 `json:"damaged_bytes" doc:"bytes of what earlier repairs moved aside"`
}

// Broken is a tag that cannot be pulled whole.
type Broken struct {
	Repository string         `json:"repository" doc:"repository"`
	Tag        string         `json:"tag" doc:"tag"`
	Digest     storage.Digest `json:"digest,omitzero" doc:"what the tag names"`
	Platforms  []string       `json:"platforms" doc:"of an index, those that cannot be pulled while others can; empty if none can"`
	ID         string         `json:"id" doc:"the first problem that is the reason"`
	Path       string         `json:"path" doc:"of what is at fault there, below the root of the storage"`
	Cause      string         `json:"cause" doc:"the same for a person"`
	Since      *time.Time     `json:"since,omitempty" doc:"since when it could be known at the latest, as far as the file system tells"`
	FirstSeen  *time.Time     `json:"first_seen,omitempty" doc:"when a check saw it first"`
	LastGood   *time.Time     `json:"last_good,omitempty" doc:"when a check saw it whole the last time"`
}

// Problem is one thing that is wrong.
type Problem struct {
	storage.Problem
	Severity  Severity   `json:"severity" doc:"damage, warning or untidy"`
	Tags      []string   `json:"tags" doc:"tags that cannot be pulled because of it, as repository:tag; the first 20"`
	Since     *time.Time `json:"since,omitempty" doc:"when what is at fault changed last, as far as the file system tells; bit rot leaves no trace"`
	FirstSeen *time.Time `json:"first_seen,omitempty" doc:"when a check saw it first"`
	LastGood  *time.Time `json:"last_good,omitempty" doc:"when a check that would have seen it did not, the last time"`
}

// Found counts the problems of one ID.
type Found struct {
	ID       string   `json:"id" doc:"what is wrong"`
	Severity Severity `json:"severity" doc:"damage, warning or untidy"`
	Count    int      `json:"count" doc:"how often"`
}

// Damaged tells whether something that is kept is damaged: exit status 3.
func (r *Report) Damaged() bool { return r.Count(Damage) > 0 }

// Count is how many problems of a severity there are.
func (r *Report) Count(s Severity) (n int) {
	for _, f := range r.Found {
		if f.Severity == s {
			n += f.Count
		}
	}
	return n
}

// Most of what a report lists: it has to fit into a page, and into a line of JSON.
const (
	mostBroken  = 2000
	mostDamage  = 1000
	mostOthers  = 50
	mostTagsFor = 20
)

// finding is a problem with what mends it.
type finding struct {
	storage.Problem
	since time.Time
	tags  []string
	// repositories are those that need the blob that is at fault.
	repositories []string
	// size is what the blob must have, 0 if nobody says.
	size int64
	// manifest tells that the blob is a manifest.
	manifest bool
	what     target
	tag      string
}

// target is what a finding is about.
type target uint8

const (
	aboutNothing target = iota
	aboutBlob
	aboutRevision
	aboutLayer
	aboutCurrent
	aboutHistory
)

// key tells findings apart.
func (f *finding) key() string { return f.ID + " " + f.Path }

// fill makes a report of findings; more are further ones by ID that are counted.
func (r *Report) fill(findings []*finding, broken []Broken, more map[string]int) {
	severity := severities()
	rank := map[string]int{}
	for i, k := range Kinds() {
		rank[k.ID] = i
	}
	slices.SortFunc(findings, func(a, b *finding) int {
		return cmp.Or(cmp.Compare(rank[a.ID], rank[b.ID]), strings.Compare(a.Repository, b.Repository), strings.Compare(a.Path, b.Path))
	})
	slices.SortFunc(broken, func(a, b Broken) int {
		return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag))
	})
	r.findings = findings
	r.Tags = len(broken)
	r.Broken = append([]Broken{}, broken[:min(len(broken), mostBroken)]...)
	r.Found, r.Problems = []Found{}, []Problem{}
	damage := 0
	for _, f := range findings {
		if n := len(r.Found); n == 0 || r.Found[n-1].ID != f.ID {
			r.Found = append(r.Found, Found{f.ID, severity[f.ID], 0})
		}
		last := &r.Found[len(r.Found)-1]
		last.Count++
		if last.Severity == Damage {
			if damage++; damage > mostDamage {
				continue
			}
		} else if last.Count > mostOthers {
			continue
		}
		p := Problem{Problem: f.Problem, Severity: last.Severity, Tags: []string{}}
		p.Tags = append(p.Tags, f.tags[:min(len(f.tags), mostTagsFor)]...)
		if !f.since.IsZero() {
			p.Since = &f.since
		}
		r.Problems = append(r.Problems, p)
	}
	for i := range r.Found {
		r.Found[i].Count += more[r.Found[i].ID]
	}
}
