package doctor

import "fmt"

func fileChecks() []Check {
	each := func(is func(File) string) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			var out []sighting
			for _, x := range f.Files {
				if seen := is(x); seen != "" {
					out = append(out, sighting{seen: x.Path + " " + seen})
				}
			}
			return out
		}
	}
	drift := func(is func(Drift) bool) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			var out []sighting
			for _, d := range f.Drift {
				if is(d) {
					out = append(out, sighting{seen: d.Path + " is " + d.State})
				}
			}
			return out
		}
	}
	return []Check{
		{ID: "RC080", Severity: Error, Title: "others can read a secret, or change a file",
			Why:  "every user of this host could take the keys or the hashes, or write what the stack runs",
			Mend: "regctl doctor --fix{dir}", Fixable: true,
			look: each(func(x File) string {
				if x.Error != "" || x.Mode&^x.Most == 0 {
					return ""
				}
				return fmt.Sprintf("has mode %04o; it should have %04o at most", x.Mode, x.Most)
			})},
		{ID: "RC081", Severity: Warning, Title: "a file belongs to another user than the deployment",
			Why:  "its owner can change it, and the deployment's owner may not be able to",
			Mend: "sudo regctl doctor --fix{dir}", Fixable: true,
			look: each(func(x File) string {
				if x.Error != "" || x.UID == x.Owner {
					return ""
				}
				return fmt.Sprintf("belongs to user %d, the deployment to user %d", x.UID, x.Owner)
			})},
		{ID: "RC082", Severity: Warning, Title: "a rendered file was edited by hand",
			Why:  "the next up stops at it, and what was changed may be what breaks",
			Mend: "regctl diff{dir} shows it; what is to stay belongs in regctl.yaml or docker-compose.override.yml; regctl up --force{dir} puts it back",
			look: drift(func(d Drift) bool { return d.State == "edited" || d.State == "foreign" })},
		{ID: "RC083", Severity: Warning, Title: "a rendered file is out of date",
			Why:  "regctl.yaml, or regctl, changed since: what runs is not what it says",
			Mend: "regctl up{dir}",
			look: drift(func(d Drift) bool {
				return d.State == "missing" || d.State == "outdated" || d.State == "current" && d.Mode
			})},
		{ID: "RC084", Severity: Error, Title: "the files cannot be compared with what would be rendered",
			Why:  "nothing can be changed until that is mended",
			Mend: "regctl diff{dir}",
			look: func(f *Facts) []sighting {
				if f.DriftError == "" {
					return nil
				}
				return saw("%s", f.DriftError)
			}},
		{ID: "RC085", Severity: Warning, Title: "nothing can be written in the deployment directory",
			Why:  "no user can be added, and no certificate renewed",
			Mend: "run regctl as the directory's owner (sudo); or have the file system mounted for writing",
			look: func(f *Facts) []sighting {
				if f.ReadOnly == "" {
					return nil
				}
				return saw("%s", f.ReadOnly)
			}},
		{ID: "RC086", Severity: Warning, Title: "a file that should be there cannot be read",
			Why:  "what is in it is not known",
			Mend: "run regctl as the directory's owner (sudo)",
			look: each(func(x File) string { return x.Error })},
	}
}
