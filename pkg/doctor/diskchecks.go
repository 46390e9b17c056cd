package doctor

import "fmt"

// When a disk, or a log, needs a person.
const (
	fullBytes   = 512 << 20 // less than this is full
	fewDays     = 14
	largeLog    = 1 << 30
	percentLow  = 10
	percentFull = 3
)

// What mends the findings of disks.
const (
	free = "regctl gc --delete-untagged{dir}; regctl gc purge --keep-trash 0s{dir} frees the trash at once"
	room = free + "; or make the disk larger"
)

func diskChecks() []Check {
	each := func(is func(Disk) string) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			var out []sighting
			for _, d := range f.Disks {
				if seen := is(d); d.Total > 0 && seen != "" {
					out = append(out, sighting{seen: "the disk of " + d.What + " (" + d.Path + ") " + seen})
				}
			}
			return out
		}
	}
	left := func(d Disk) string { return fmt.Sprintf("has %s free of %s", size(d.Free), size(d.Total)) }
	full := func(d Disk) bool {
		return d.Free*100 < d.Total*percentFull || d.Free < fullBytes && d.Total > 4*fullBytes
	}
	return []Check{
		{ID: "RC090", Severity: Error, Title: "a disk is full",
			Why:  "pushes fail, and what is being written may be damaged",
			Mend: free,
			look: each(func(d Disk) string {
				if !full(d) {
					return ""
				}
				return left(d)
			})},
		{ID: "RC091", Severity: Warning, Title: "a disk is nearly full",
			Why:  "when it is full, pushes fail",
			Mend: room,
			look: each(func(d Disk) string {
				if full(d) || d.Free*100 >= d.Total*percentLow {
					return ""
				}
				return left(d)
			})},
		{ID: "RC092", Severity: Warning, Title: "a disk will be full soon",
			Why:  "at the rate of the last days",
			Mend: room,
			look: each(func(d Disk) string {
				days, ok := DaysLeft(d.Samples, d.Free)
				if !ok || days > fewDays || full(d) {
					return ""
				}
				return fmt.Sprintf("is full in about %.0f days: %s", days, left(d))
			})},
		{ID: "RC093", Severity: Warning, Title: "a disk has few inodes left",
			Why:  "no file can be made without one, however much room there is",
			Mend: free + "; a registry has many small files: a file system made anew has more (mkfs -N)",
			look: each(func(d Disk) string {
				if d.Inodes == 0 || d.InodesFree*100 >= d.Inodes*percentLow {
					return ""
				}
				return fmt.Sprintf("has %d inodes left of %d", d.InodesFree, d.Inodes)
			})},
		{ID: "RC094", Severity: Warning, Title: "a log grows without bound",
			Why:  "it fills the disk one day",
			Mend: "take logging out of docker-compose.override.yml, or give it max-size and max-file; then regctl up{dir}",
			look: func(f *Facts) []sighting {
				var out []sighting
				for _, l := range f.Logs {
					if l.Driver == "json-file" && !l.Bounded {
						out = append(out, sighting{seen: l.Service + " logs to json-file without max-size"})
					}
				}
				return out
			}},
		{ID: "RC095", Severity: Warning, Title: "a log is large",
			Why:  "it takes the room of images",
			Mend: "regctl down{dir}, then regctl up{dir} begins new ones; max-size in docker-compose.override.yml keeps them small",
			look: func(f *Facts) []sighting {
				var out []sighting
				for _, l := range f.Logs {
					if l.Size > largeLog {
						out = append(out, sighting{seen: fmt.Sprintf("that of %s has %s", l.Service, size(l.Size))})
					}
				}
				return out
			}},
	}
}
