package retention

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Semver keeps, of versions, the newest major ones, of each of these the newest
// minor ones, and of each of these the newest patches; 0 is all of them.
//
// What makes a version one of the newest are releases: 1.2.3, with or without a
// v. Others follow them. A pre-release, and a variant such as 1.2.3-alpine, which
// is written in the same way, stays with its release. Where there is none, it
// stays while it could become one of the newest: 1.3.0-rc.1 beside 1.2.9, though
// not 1.1.0-rc.1 beside 1.2.9 when minors are counted. 1 and 1.2, which move, stay
// with what they stand for.
type Semver struct{ Majors, Minors, Patches int }

// IsZero tells a Semver that keeps nothing.
func (s Semver) IsZero() bool { return s == Semver{} }

func (s Semver) String() string {
	var parts []string
	for _, p := range []struct {
		name string
		n    int
	}{{"majors", s.Majors}, {"minors", s.Minors}, {"patches", s.Patches}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", p.name, p.n))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// version is a tag that is one.
type version struct {
	text  string // v1.2.3-rc.1, whole
	parts int    // of the tag: 1 for 1, 2 for 1.2, 3 for 1.2.3
}

// parseVersion reads a tag as a version, with or without a v.
func parseVersion(tag string) (version, bool) {
	text := "v" + strings.TrimPrefix(tag, "v")
	if !semver.IsValid(text) || strings.Contains(text, "+") {
		return version{}, false
	}
	core, _, _ := strings.Cut(text, "-")
	return version{semver.Canonical(text), 1 + strings.Count(core, ".")}, true
}

func (v version) major() string { return semver.Major(v.text) }
func (v version) minor() string { return semver.MajorMinor(v.text) }

// release is the version without what comes after the patch.
func (v version) release() string {
	release, _, _ := strings.Cut(v.text, "-")
	return release
}

// lines are the major and minor versions of which a repository has whole ones.
// A number such as 20261124 stands for none of these, and is no version.
type lines map[string]bool

func linesOf(tags []Decision) lines {
	l := lines{}
	for _, t := range tags {
		if v, ok := parseVersion(t.Name); ok && v.parts == 3 {
			l[v.major()], l[v.minor()] = true, true
		}
	}
	return l
}

func (l lines) has(v version) bool {
	switch v.parts {
	case 1:
		return l[v.major()]
	case 2:
		return l[v.minor()]
	}
	return true
}

func (v version) isRelease() bool { return v.parts == 3 && semver.Prerelease(v.text) == "" }

// newest returns the n newest of different versions, all of them for 0.
func newest(n int, versions []string) []string {
	versions = slices.Clone(versions)
	slices.SortFunc(versions, func(a, b string) int { return semver.Compare(b, a) })
	versions = slices.Compact(versions)
	if n > 0 && n < len(versions) {
		versions = versions[:n]
	}
	return versions
}

func (k keeper) versions() {
	s := k.rule.KeepSemver
	type tagged struct {
		*Decision
		version
	}
	var all []tagged
	var releases []version
	for _, t := range k.tags {
		if v, ok := parseVersion(t.Name); ok && k.lines.has(v) {
			all = append(all, tagged{t, v})
			if v.isRelease() {
				releases = append(releases, v)
			}
		}
	}
	if len(releases) == 0 { // of variants alone: they are what there is
		for _, d := range all {
			if d.parts == 3 {
				releases = append(releases, version{d.release(), 3})
			}
		}
	}
	there, kept := map[string]bool{"": true}, map[string]bool{"": true} // of v1, v1.2, v1.2.3, and "" above them
	of := map[string][]string{}                                         // what is below each
	for _, r := range releases {
		of[""] = append(of[""], r.major())
		of[r.major()] = append(of[r.major()], r.minor())
		of[r.minor()] = append(of[r.minor()], r.text)
		there[r.major()], there[r.minor()], there[r.text] = true, true, true
	}
	top := map[string]string{} // the newest below each
	for above, versions := range of {
		top[above] = newest(1, versions)[0]
	}
	for _, major := range newest(s.Majors, of[""]) {
		kept[major] = true
		for _, minor := range newest(s.Minors, of[major]) {
			kept[minor] = true
			for _, release := range newest(s.Patches, of[minor]) {
				kept[release] = true
			}
		}
	}
	limits := [3]int{s.Majors, s.Minors, s.Patches}
	for _, d := range all {
		// From the major version downwards, as far as there are releases.
		levels := [3]string{d.major(), d.minor(), d.release()}
		stays, above := true, ""
		for i, level := range levels[:d.parts] {
			if there[level] {
				stays, above = kept[level], level
				continue
			}
			stays = kept[above] && (limits[i] == 0 || semver.Compare(level, top[above]) > 0)
			break
		}
		if stays {
			because(d.Decision, KeepSemver, "one of the newest versions, %s", s)
		}
	}
}
