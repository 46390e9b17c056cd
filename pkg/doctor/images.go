package doctor

import (
	"fmt"
	"regexp"
	"strings"
)

// pull brings an image here.
const pull = "docker pull IMAGE; or regctl up{dir}"

func imageChecks() []Check {
	// mends of one image may name it, as IMAGE.
	each := func(is func(Image) string, mend ...string) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			var out []sighting
			seen := map[string]bool{} // two services may have one image
			for _, i := range f.Images {
				if text := is(i); text != "" && !seen[text] {
					seen[text] = true
					out = append(out, sighting{seen: text, mend: strings.ReplaceAll(strings.Join(mend, ""), "IMAGE", i.Ref)})
				}
			}
			return out
		}
	}
	return []Check{
		{ID: "RC060", Severity: Warning, Title: "an image is not pinned",
			Why:  "the next pull may bring another major version, and nobody can say what ran before",
			Mend: "name a version in regctl.yaml, as registry:3.1.2",
			look: each(func(i Image) string {
				if tag, digest := tagOf(i.Ref); digest || tag != "latest" {
					return ""
				}
				return i.Ref + " is whatever is the latest"
			})},
		{ID: "RC061", Severity: Note, Title: "an image is older than the one that this regctl was made with",
			Why:  "newer ones have mended faults, some of them of security",
			Mend: "change the image in regctl.yaml, then regctl up{dir}",
			look: each(func(i Image) string {
				name, version := official(i.Ref)
				mine, than := official(i.Default)
				if name == "" || name != mine || version == "" || !older(version, than) {
					return ""
				}
				return fmt.Sprintf("%s is older than %s", i.Ref, i.Default)
			})},
		{ID: "RC062", Severity: Warning, Title: "the registry is a version with known faults",
			Why:  "its own garbage-collect --delete-untagged deletes images of several platforms (fixed in 3.0), and it has no referrers; regctl gc is safe with it",
			Mend: "registry.image: registry:3.1.2 in regctl.yaml, then regctl up{dir}; the data stays as it is",
			look: each(func(i Image) string {
				if i.Service != "registry" || i.Version == "" || !older(i.Version, "3") {
					return ""
				}
				return fmt.Sprintf("%s is version %s", i.Ref, i.Version)
			})},
		{ID: "RC063", Severity: Warning, Title: "a container was made of an older image",
			Why:  "the image of that name is another one by now",
			Mend: "regctl up{dir}",
			look: each(func(i Image) string {
				if !i.Running || !i.Here || i.Same {
					return ""
				}
				return fmt.Sprintf("%s does not run what %s is now", i.Service, i.Ref)
			})},
		{ID: "RC064", Severity: Warning, Title: "an image is not on this host",
			Why:  "the stack cannot be made anew without the network",
			Mend: pull,
			look: each(func(i Image) string {
				if i.Here {
					return ""
				}
				return i.Ref + " is not here"
			}, pull)},
	}
}

// tagOf reads the tag of a reference, "latest" where there is none, and whether
// there is a digest.
func tagOf(ref string) (tag string, digest bool) {
	ref, _, digest = strings.Cut(ref, "@")
	name := ref[strings.LastIndex(ref, "/")+1:]
	if _, tag, ok := strings.Cut(name, ":"); ok {
		return tag, digest
	}
	return "latest", digest
}

var fullVersion = regexp.MustCompile(`^\d+\.\d+\.\d+`)

// official reads name and full version of an image that Docker Hub has without a
// user's name before it. A tag such as 3 follows its versions and is none.
func official(ref string) (name, version string) {
	ref, _, _ = strings.Cut(ref, "@")
	for _, prefix := range []string{"docker.io/", "library/"} {
		ref = strings.TrimPrefix(ref, prefix)
	}
	name, tag, _ := strings.Cut(ref, ":")
	if strings.Contains(name, "/") || strings.Contains(tag, "/") {
		return "", ""
	}
	return name, fullVersion.FindString(tag)
}

var (
	registryVersion = regexp.MustCompile(`\bv?(\d+\.\d+\.\d+)`)
	nginxVersion    = regexp.MustCompile(`nginx/(\d+\.\d+\.\d+)`)
)

// Version finds the version in what `registry --version` or `nginx -v` says.
func Version(said string) string {
	for _, re := range []*regexp.Regexp{nginxVersion, registryVersion} {
		if m := re.FindStringSubmatch(said); m != nil {
			return m[1]
		}
	}
	return ""
}
