package doctor

import (
	"fmt"
	"slices"
	"time"
)

// longLock is longer than anything takes that is well.
const longLock = 6 * time.Hour

func choreChecks() []Check {
	return slices.Concat(scheduleChecks(), leftChecks())
}

// scheduleChecks are about what is to be done from time to time.
func scheduleChecks() []Check {
	return []Check{
		{ID: "RC100", Severity: Warning, Title: "what runs by itself is not as it should be",
			Why:  "what is to look after the registry runs otherwise than regctl.yaml says, or not at all",
			Mend: "regctl schedule install{dir}; regctl schedule show{dir}", Fixable: true,
			look: func(f *Facts) []sighting {
				s := f.Schedule
				if s == nil || !s.Installed {
					return nil
				}
				var out []sighting
				for _, p := range s.Problems {
					out = append(out, sighting{seen: p})
				}
				if !s.Current && len(out) == 0 {
					out = saw("what is installed is not what regctl.yaml asks for now")
				}
				if s.Twice {
					out = append(out, sighting{seen: "it is installed in systemd and in the crontab, and runs twice"})
				}
				return out
			}},
		{ID: "RC101", Severity: Note, Title: "it cannot be known what runs by itself",
			Why:  "nobody knows whether the certificate is renewed",
			Mend: "regctl schedule show{dir}",
			look: func(f *Facts) []sighting {
				if f.Schedule == nil || f.Schedule.Error == "" {
					return nil
				}
				return saw("%s", f.Schedule.Error)
			}},
		{ID: "RC102", Severity: Warning, Title: "something has not been done for long",
			Why:  "garbage fills the disk; a backup that was not made is missed when it is needed",
			Mend: "regctl schedule install{dir} has it run by itself",
			look: func(f *Facts) []sighting {
				var out []sighting
				for _, r := range f.Runs {
					mend, by := r.Command+f.DirFlag, ""
					if !r.Scheduled {
						mend, by = mend+"; regctl schedule install"+f.DirFlag+" has it run by itself, where regctl.yaml says when", ", and nothing runs it by itself"
					}
					switch {
					case r.Last == nil && f.Stack != nil && f.Stack.Age > r.Every:
						out = append(out, sighting{seen: fmt.Sprintf("regctl %s was never run here%s", r.Kind, by), mend: mend})
					case r.Last != nil && f.Now.Sub(*r.Last) > r.Every:
						out = append(out, sighting{seen: fmt.Sprintf("regctl %s was last run %s ago%s", r.Kind, days(f.Now.Sub(*r.Last)), by), mend: mend})
					}
				}
				return out
			}},
		{ID: "RC103", Severity: Error, Title: "damaged images were met",
			Why:  "they cannot be pulled, or not whole",
			Mend: "regctl fsck{dir} names them; regctl fsck --repair --from BACKUP|URL{dir}, or push them again from where they came",
			look: func(f *Facts) []sighting {
				var out []sighting
				for _, r := range f.Runs {
					if r.Damage && r.Last != nil {
						out = append(out, sighting{seen: fmt.Sprintf("by regctl %s, %s ago", r.Kind, days(f.Now.Sub(*r.Last)))})
					}
				}
				return out
			}},
		{ID: "RC104", Severity: Warning, Title: "nobody knows whether the backups can be restored",
			Why:  "a backup that was never restored is a hope",
			Mend: "regctl backup drill{dir}; schedule.drill in regctl.yaml and regctl schedule install{dir} have it run by itself",
			look: func(f *Facts) []sighting {
				d := f.Drill
				switch {
				case d == nil:
				case d.LastPassed == nil && f.Stack != nil && f.Stack.Age > d.Every:
					return saw("no drill of a backup has passed here")
				case d.LastPassed != nil && f.Now.Sub(*d.LastPassed) > d.Every:
					return saw("a drill passed %s ago the last time", days(f.Now.Sub(*d.LastPassed)))
				}
				return nil
			}},
		{ID: "RC105", Severity: Error, Title: "the last drill of a backup failed",
			Why:  "what it could not restore is lost if the registry is",
			Mend: "regctl backup verify --data{dir} names what is damaged there: remove it, and the next regctl backup{dir} brings it anew; then regctl backup drill{dir}",
			look: func(f *Facts) []sighting {
				d := f.Drill
				if d == nil || d.Last == nil || d.Passed {
					return nil
				}
				switch when := days(f.Now.Sub(*d.Last)); {
				case d.Error != "":
					return saw("%s ago, of snapshot %s: %s", when, d.Snapshot, d.Error)
				case d.First != "":
					return saw("%s ago, of snapshot %s: %d tags or manifests do not come whole: %s", when, d.Snapshot, d.Failed, d.First)
				default:
					return saw("%s ago, of snapshot %s: %d blobs could not be restored", when, d.Snapshot, d.Problems)
				}
			}},
	}
}

// leftChecks are about what runs that were killed have left.
func leftChecks() []Check {
	return []Check{
		{ID: "RC110", Severity: Warning, Title: "containers of a run that was killed are left",
			Why:  "they hold the images' volume",
			Mend: "regctl doctor --fix{dir}; the next run of the same command does it, too", Fixable: true,
			look: func(f *Facts) []sighting {
				var out []sighting
				for _, c := range f.Containers {
					out = append(out, sighting{seen: fmt.Sprintf("%s, made %s ago", c.Name, days(c.Age))})
				}
				return out
			}},
		{ID: "RC111", Severity: Note, Title: "a hold on writes was left behind",
			Why:  "it is over by itself after a minute; its file does no harm",
			Mend: "the next regctl gc{dir} takes it away",
			look: func(f *Facts) []sighting {
				if f.HoldAge == nil || *f.HoldAge < 2*time.Minute {
					return nil
				}
				return saw("it was renewed %s ago", days(*f.HoldAge))
			}},
		{ID: "RC112", Severity: Note, Title: "files of writes that were killed are left",
			Why:  "they do no harm but may hold secrets",
			Mend: "regctl doctor --fix{dir}", Fixable: true,
			look: func(f *Facts) []sighting {
				if len(f.Temporary) == 0 {
					return nil
				}
				return saw("%d of them, %s among them", len(f.Temporary), f.Temporary[0])
			}},
		{ID: "RC113", Severity: Warning, Title: "another regctl is at work for very long",
			Why:  "nothing else can be changed until it ends",
			Mend: "look at the process; if it hangs, end it: the lock ends with it",
			look: func(f *Facts) []sighting {
				if f.Lock == nil || f.Lock.Since < longLock {
					return nil
				}
				return saw("%q, pid %d, for %s", f.Lock.Command, f.Lock.PID, days(f.Lock.Since))
			}},
		{ID: "RC114", Severity: Warning, Title: "a run that was killed is not finished",
			Why:  "what it began is half done",
			Mend: "regctl up{dir}",
			look: func(f *Facts) []sighting {
				var out []sighting
				if f.Lock != nil {
					return nil // it goes on
				}
				for _, name := range f.Halfway {
					out = append(out, sighting{seen: name + " is there"})
				}
				return out
			}},
		{ID: "RC115", Severity: Warning, Title: "a drill that was killed has left its copy of the images",
			Why:  "it takes the room of images",
			Mend: "regctl doctor --fix{dir}; the next drill does it, too", Fixable: true,
			look: func(f *Facts) []sighting {
				var out []sighting
				for _, x := range f.DrillLeft {
					out = append(out, sighting{seen: fmt.Sprintf("%s, made %s ago", x.Name, days(x.Age))})
				}
				return out
			}},
	}
}
