package doctor

import (
	"math"
	"slices"
	"time"
)

// Sample is how much was free on a file system at a time.
type Sample struct {
	At   time.Time `json:"at"`
	Free int64     `json:"free"` // bytes
}

// How samples are kept and judged.
const (
	sampleEvery = time.Hour           // closer ones are not kept
	sampleKeep  = 30 * 24 * time.Hour // older ones are dropped
	sampleMost  = 200
	sampleSpan  = 24 * time.Hour // a rate over less says nothing
)

// Remember adds a sample to those there are, oldest first, and drops what is too
// old or too close. Samples from the future, as a wrong clock leaves them, go too.
// changed is false where the list stays as it was.
func Remember(samples []Sample, now Sample) (kept []Sample, changed bool) {
	kept = slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool {
		return now.At.Sub(s.At) > sampleKeep || s.At.After(now.At)
	})
	if n := len(kept); n > 0 && now.At.Sub(kept[n-1].At) < sampleEvery {
		return kept, len(kept) != len(samples)
	}
	kept = append(kept, now)
	return kept[max(0, len(kept)-sampleMost):], true
}

// DaysLeft is how many days it takes at the rate of the samples until nothing is
// free; ok is false where they are too few, or the disk does not fill. The rate is
// a line through all of them (least squares), so that one collection or one large
// push does not make it.
func DaysLeft(samples []Sample, free int64) (days float64, ok bool) {
	if len(samples) < 2 || samples[len(samples)-1].At.Sub(samples[0].At) < sampleSpan {
		return 0, false
	}
	var n, sx, sy, sxx, sxy float64
	for _, s := range samples {
		x, y := s.At.Sub(samples[0].At).Hours()/24, float64(s.Free)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	perDay := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	if math.IsNaN(perDay) || perDay >= 0 {
		return 0, false
	}
	return float64(free) / -perDay, true
}
