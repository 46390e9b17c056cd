package accesslog

import (
	"maps"
	"time"
)

// Usage is when what was last pulled and pushed, as far as a log tells: nothing
// is known of the time before Since. It is JSON, to be kept between runs, since
// a log goes with its container and Docker cuts it off.
type Usage struct {
	Since time.Time `json:"since"` // the first request that is known
	Until time.Time `json:"until"` // the last one
	// By repository and reference, which is a tag or a digest.
	Pulled map[string]map[string]time.Time `json:"pulled"`
	Pushed map[string]map[string]time.Time `json:"pushed"`
}

// Add takes a request in. HEAD counts as a pull: clients that have an image
// already ask no more than that whether it is still the one.
func (u *Usage) Add(l Line) {
	if u.Since.IsZero() || l.Time.Before(u.Since) {
		u.Since = l.Time
	}
	u.Until = later(u.Until, l.Time)
	switch {
	case l.OfManifest("pull"):
		note(&u.Pulled, l)
	case l.OfManifest("push"):
		note(&u.Pushed, l)
	}
}

func note(all *map[string]map[string]time.Time, l Line) {
	if *all == nil {
		*all = map[string]map[string]time.Time{}
	}
	of := (*all)[l.Repository]
	if of == nil {
		of = map[string]time.Time{}
		(*all)[l.Repository] = of
	}
	of[l.Reference] = later(of[l.Reference], l.Time)
}

// Reader reads a log into u.
func (u *Usage) Reader() *Reader {
	return &Reader{Each: func(l Line, _ []byte) error { u.Add(l); return nil }}
}

// LastPull is when one of the references, tags or digests, was last pulled; the
// zero time when that is not known to have happened.
func (u *Usage) LastPull(repository string, references ...string) (last time.Time) {
	for _, r := range references {
		last = later(last, u.Pulled[repository][r])
	}
	return last
}

// After returns what both know, u being read from the log later than before was.
// Where requests between the two may be missing, nothing is known of the time
// before the gap, though what was seen there stays.
func (u *Usage) After(before Usage) Usage {
	switch {
	case u.Since.IsZero():
		return before
	case before.Since.IsZero():
		return *u
	}
	all := Usage{Since: u.Since, Until: later(u.Until, before.Until),
		Pulled: latest(before.Pulled, u.Pulled), Pushed: latest(before.Pushed, u.Pushed)}
	if !u.Since.After(before.Until) && before.Since.Before(u.Since) {
		all.Since = before.Since
	}
	return all
}

// Forget drops what was last done before a time.
func (u *Usage) Forget(before time.Time) {
	for _, all := range []map[string]map[string]time.Time{u.Pulled, u.Pushed} {
		for repository, of := range all {
			maps.DeleteFunc(of, func(_ string, at time.Time) bool { return at.Before(before) })
			if len(of) == 0 {
				delete(all, repository)
			}
		}
	}
}

func latest(a, b map[string]map[string]time.Time) map[string]map[string]time.Time {
	all := map[string]map[string]time.Time{}
	for _, from := range []map[string]map[string]time.Time{a, b} {
		for repository, of := range from {
			if all[repository] == nil {
				all[repository] = map[string]time.Time{}
			}
			for reference, at := range of {
				all[repository][reference] = later(all[repository][reference], at)
			}
		}
	}
	return all
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
