package fsck

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// Defaults.
const (
	// DefaultUploads is the age from which an upload counts as given up; gc's is the
	// same.
	DefaultUploads = 7 * 24 * time.Hour
	// DefaultTemporary is the same for a temporary file.
	DefaultTemporary = time.Hour
	// DefaultSettle is for how long something must not have changed to count as
	// damage. A deletion in registry 2 takes seconds in a repository of many tags,
	// and a collection moves blobs before links.
	DefaultSettle = 10 * time.Second
)

// Options say how to check. The zero value is a full check with all defaults.
type Options struct {
	// Fast hashes nothing but manifests, and does not list the directories that have
	// one blob or link each: what else lies there is not found.
	Fast bool
	// Slice limits what is hashed.
	Slice Slice
	// Rate is how many bytes a second may be read for hashing; 0 is no limit.
	Rate int64
	// Sparse takes an index without some of its manifests for meant.
	Sparse bool
	// Workers is how many goroutines read; 0 is twice the number of CPUs for small
	// files, and their number for hashing.
	Workers int
	// Ages, 0 for the defaults.
	Uploads, Temporary, Settle time.Duration
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Progress, which may be nil, is told what goes on, from one goroutine at a time.
	Progress func(Progress)

	// fault is for tests: an error in place of a blob's bytes, as of a failing disk.
	fault func(storage.Digest) error
}

// Progress is how far a check is. Totals are 0 while they are not known.
type Progress struct {
	Phase       Phase
	Done, Total int64
	// Bytes were read, of BytesTotal.
	Bytes, BytesTotal int64
}

// Phase is a part of a check.
type Phase string

// The phases, in their order.
const (
	PhaseWalk  Phase = "walk"  // directories; blobs
	PhaseHash  Phase = "hash"  // blobs, bytes
	PhaseJudge Phase = "judge" // repositories
	PhaseAgain Phase = "again" // repositories that seem damaged
	PhaseMend  Phase = "mend"  // steps, bytes
)

// Slice is one of several parts of all blobs, by the beginning of the digest, so
// that it needs no state: as many runs as there are parts hash everything once.
// The zero value is everything.
type Slice struct{ Part, Of int }

// ParseSlice reads "2/7", or "today/7" for the part whose turn it is on a day
// (UTC).
func ParseSlice(s string, day time.Time) (Slice, error) {
	part, of, ok := strings.Cut(s, "/")
	n, err := strconv.Atoi(of)
	if !ok || err != nil || n < 1 || n > 1000 {
		return Slice{}, fmt.Errorf("not a slice: %q, want for example 2/7 or today/7", s)
	}
	if part == "today" {
		return Slice{int((day.Unix()/(24*60*60))%int64(n)) + 1, n}, nil
	}
	i, err := strconv.Atoi(part)
	if err != nil || i < 1 || i > n {
		return Slice{}, fmt.Errorf("not a slice: %q, want 1/%d to %d/%d", s, n, n, n)
	}
	return Slice{i, n}, nil
}

// String is "2/7", empty for everything.
func (s Slice) String() string {
	if s.Of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Part, s.Of)
}

// Has tells whether a digest belongs to the slice.
func (s Slice) Has(d storage.Digest) bool {
	if s.Of <= 1 {
		return true
	}
	b := d.Bytes()
	at := (int(b[0])<<8 | int(b[1])) * s.Of / (math.MaxUint16 + 1)
	return at == s.Part-1
}

// ParseRate reads a number of bytes a second: "50MiB/s", "50M", "800k/s".
func ParseRate(s string) (int64, error) {
	bad := fmt.Errorf("not a rate: %q, want for example 50MiB/s", s)
	text := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), "/s")
	digits := strings.TrimRight(text, "kmgib")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n <= 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, bad
	}
	unit, ok := map[string]float64{"": 1, "b": 1,
		"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
		"kb": 1e3, "mb": 1e6, "gb": 1e9}[text[len(digits):]]
	if n *= unit; !ok || n < 1 || n > 1<<50 {
		return 0, bad
	}
	return int64(n), nil
}
