package fsck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/storage"
)

// MendOptions say how to mend.
type MendOptions struct {
	// Check says how to find what is to be mended. What is looked at again
	// afterwards is not hashed again.
	Check Options
	// Suspects are blobs, or other digests of blobs, to be hashed, even under Check.Fast.
	Suspects []storage.Digest
	// Sources are asked in their order, after the trash of collections.
	Sources []Source
	// Tags lets the current links of tags be written.
	Tags bool
	// DryRun plans, and takes no lock.
	DryRun bool
	// Command is what the lock's file tells whoever meets it.
	Command string

	// step is for tests: called before each change, an error ends the run as a kill
	// would.
	step func(what, path string) error
}

// Mended is what was done, or would be.
type Mended struct {
	// Report is of the check afterwards; under DryRun of the one before.
	Report *Report `json:"report"`
	Steps  []Step  `json:"steps"`
	// Wants are blobs that no source has given.
	Wants []Want `json:"wants"`
	// Suspects are those that were found not to match their digests, or not to be
	// readable.
	Suspects []storage.Digest `json:"suspects"`
}

// rounds is how often what was mended may show more that is to be mended: an index,
// its manifests, their layers.
const rounds = 8

// Mend checks the storage at dir, mends what can be mended and checks again.
func Mend(ctx context.Context, dir string, o MendOptions) (*Mended, error) {
	s, err := storage.Open(dir)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	m := &mender{store: s, o: o, hasher: newHasher(s, o.Check), out: &Mended{Steps: []Step{}}, tried: map[string]bool{}}
	if !o.DryRun {
		held, err := m.prepare(ctx)
		if err != nil {
			return nil, err
		}
		defer held.Release()
	}
	if m.trash, err = openTrash(s); err != nil {
		return nil, err
	}
	return m.out, m.run(ctx)
}

type mender struct {
	store  *storage.Store
	o      MendOptions
	hasher *hasher
	trash  *trash
	stamp  string // of what is moved aside
	out    *Mended
	tried  map[string]bool
	done   int64
}

// prepare takes the storage's lock, as collections and backups do.
func (m *mender) prepare(ctx context.Context) (*lock.Lock, error) {
	if err := m.mkdirAll(storage.StateDir); err != nil {
		return nil, err
	}
	held, err := lock.Acquire(ctx, m.store.Path(storage.StateDir+"/lock"), m.o.Command, 0)
	if err != nil {
		return nil, err
	}
	if err := m.clean(); err != nil {
		return nil, errors.Join(err, held.Release())
	}
	m.stamp = time.Now().UTC().Format("20060102T150405Z")
	for n := 2; ; n++ {
		if _, err := m.store.Lstat(damagedDir + "/" + m.stamp); isGone(err) {
			return held, nil
		}
		m.stamp = fmt.Sprintf("%s-%d", time.Now().UTC().Format("20060102T150405Z"), n)
	}
}

func (m *mender) run(ctx context.Context) error {
	first, err := m.check(ctx, m.o.Check, m.o.Suspects)
	if err != nil {
		return err
	}
	m.out.Report = first
	for _, f := range first.findings {
		if byHash(f.ID, f.Path) {
			m.out.Suspects = append(m.out.Suspects, f.Digest)
		}
	}
	if m.o.DryRun {
		m.out.Steps = append(m.out.Steps, Plan(m.store, first)...)
		for i := range m.out.Steps {
			st := &m.out.Steps[i]
			m.expect(ctx, st)
			if st.Action == Fetch && st.From == "" {
				m.out.Wants = append(m.out.Wants, st.want)
			}
		}
		return nil
	}
	for range rounds {
		changed := false
		steps := slices.DeleteFunc(Plan(m.store, m.out.Report), func(st Step) bool { return m.tried[string(st.Action)+" "+st.Path] })
		m.announce(steps)
		for i := range steps {
			st := &steps[i]
			m.tried[string(st.Action)+" "+st.Path] = true
			m.done++
			m.tell()
			if err := m.step(ctx, st); err != nil {
				return err
			}
			changed = changed || st.Done || st.Aside != ""
			m.out.Steps = append(m.out.Steps, *st)
		}
		if !changed {
			break
		}
		again := m.o.Check
		again.Fast = true
		if m.out.Report, err = m.check(ctx, again, m.unmended()); err != nil {
			return err
		}
	}
	for i := range m.out.Steps {
		if st := &m.out.Steps[i]; st.Action == Fetch && !st.Done {
			m.out.Wants = append(m.out.Wants, st.want)
		}
	}
	last := m.out.Report
	last.Fast, last.Slice = first.Fast, first.Slice
	last.Checked.Hashed, last.Checked.HashedBytes = first.Checked.Hashed, first.Checked.HashedBytes
	return nil
}

// unmended are the suspects that are still as they were.
func (m *mender) unmended() []storage.Digest {
	return slices.DeleteFunc(slices.Clone(m.out.Suspects), func(d storage.Digest) bool {
		return slices.ContainsFunc(m.out.Steps, func(st Step) bool { return st.Action == Fetch && st.Digest == d && (st.Done || st.Aside != "") })
	})
}

func (m *mender) check(ctx context.Context, o Options, suspects []storage.Digest) (*Report, error) {
	c := newCheck(m.store, o)
	c.suspects = suspects
	if err := c.walk(ctx); err != nil {
		return nil, err
	}
	if !o.Fast {
		if err := c.hash(ctx); err != nil {
			return nil, err
		}
	}
	for _, d := range suspects {
		if i, ok := c.index[d]; ok {
			bad, gone, _, err := m.hasher.why(ctx, d)
			if err != nil {
				return nil, err
			}
			if !gone && bad != "" {
				c.bad[i] = bad
			}
		}
	}
	if err := c.judge(ctx); err != nil {
		return nil, err
	}
	c.report.DurationMS = c.now().Sub(c.began).Milliseconds()
	return c.report, nil
}

func (m *mender) tell() {
	if m.o.Check.Progress != nil {
		m.o.Check.Progress(Progress{Phase: PhaseMend, Done: m.done})
	}
}

// expect says what a step would do.
func (m *mender) expect(ctx context.Context, st *Step) {
	switch {
	case st.Action == SetTag && st.Digest.IsZero():
		st.Message = "nothing in its history is whole: push it again"
	case st.Action == SetTag && !m.o.Tags:
		st.Message = "only with --yes"
	case st.Action == Fetch:
		for _, s := range m.sources() {
			if r, err := s.Open(ctx, st.want); err == nil {
				r.Close()
				st.From = s.String()
				return
			}
		}
		st.Message = "nobody asked has it"
	}
}

// announce tells sources what the steps will ask for, but not of what the trash has.
func (m *mender) announce(steps []Step) {
	var wants []Want
	for _, st := range steps {
		if _, trashed := m.trash.blobs[st.Digest]; st.Action == Fetch && !trashed {
			wants = append(wants, st.want)
		}
	}
	announce(m.o.Sources, wants)
}

func (m *mender) sources() []Source { return append([]Source{m.trash}, m.o.Sources...) }

// step does one step. An error ends everything: what keeps just this one from being
// done is the step's message.
func (m *mender) step(ctx context.Context, st *Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch st.Action {
	case Fetch:
		return m.fetch(ctx, st)
	case Link:
		return m.link(ctx, st)
	}
	// Its manifest may have come by a step before.
	if st.Digest, st.When = candidate(m.store, st.Repository, st.Tag); st.Digest.IsZero() || !m.o.Tags {
		m.expect(ctx, st)
		return nil
	}
	return m.writeLink(st, st.Digest, st.When)
}

// change is told to tests before anything is changed.
func (m *mender) change(what, path string) error {
	if m.o.step == nil {
		return nil
	}
	return m.o.step(what, path)
}
