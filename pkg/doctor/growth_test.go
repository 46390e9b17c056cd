package doctor

import (
	"testing"
	"time"
)

func TestDaysLeft(t *testing.T) {
	at := func(d time.Duration, free int64) Sample { return Sample{now.Add(d), free} }
	for name, tt := range map[string]struct {
		samples []Sample
		free    int64
		days    float64
		ok      bool
	}{
		"none":             {nil, 100, 0, false},
		"one":              {[]Sample{at(0, 100)}, 100, 0, false},
		"within a day":     {[]Sample{at(-23*time.Hour, 200), at(0, 100)}, 100, 0, false},
		"a day":            {[]Sample{at(-24*time.Hour, 200), at(0, 100)}, 100, 1, true},
		"does not fill":    {[]Sample{at(-48*time.Hour, 100), at(0, 100)}, 100, 0, false},
		"empties":          {[]Sample{at(-48*time.Hour, 100), at(0, 200)}, 200, 0, false},
		"ten a day":        {[]Sample{at(-72*time.Hour, 130), at(-48*time.Hour, 120), at(-24*time.Hour, 110), at(0, 100)}, 100, 10, true},
		"all at one time":  {[]Sample{at(0, 130), at(0, 100)}, 100, 0, false},
		"one push is less": {[]Sample{at(-96*time.Hour, 1000), at(-72*time.Hour, 1000), at(-48*time.Hour, 1000), at(-24*time.Hour, 1000), at(0, 900)}, 900, 45, true},
	} {
		if days, ok := DaysLeft(tt.samples, tt.free); ok != tt.ok || days < tt.days*0.99 || days > tt.days*1.01 {
			t.Errorf("%s: %v %v, want %v %v", name, days, ok, tt.days, tt.ok)
		}
	}
}

func TestRemember(t *testing.T) {
	var kept []Sample
	for i := range 24 * 40 { // every half hour, for long
		kept, _ = Remember(kept, Sample{now.Add(time.Duration(i) * 30 * time.Minute), int64(i)})
	}
	if len(kept) != sampleMost || kept[len(kept)-1].Free < 24*40-3 || !kept[0].At.Before(kept[1].At) {
		t.Errorf("%d are kept, the last is %v", len(kept), kept[len(kept)-1])
	}
	if _, changed := Remember(kept, Sample{kept[len(kept)-1].At.Add(time.Minute), 1}); changed {
		t.Error("a second one within the hour was kept")
	}
	if kept, changed := Remember(kept, Sample{now.Add(400 * day), 1}); !changed || len(kept) != 1 {
		t.Errorf("of old ones %d are left", len(kept))
	}
	if kept, changed := Remember(kept, Sample{now, 1}); !changed || len(kept) != 1 && !kept[0].At.After(now) {
		t.Errorf("of those from the future %d are left: %v", len(kept), kept)
	}
}
