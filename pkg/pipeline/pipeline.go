// Package pipeline writes what a CI system needs to build an image and push it
// to the registry: a snippet to paste, and how to hand it the password. The
// texts are templates (templates/ci); the user and its rights are made by the
// command line. Rendering is pure, and no password ever comes near it.
package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/regctl/regctl/templates"
)

// System is a CI system, by the name that the command line knows it by.
type System string

// The systems that there are snippets for. Generic is a shell script for any
// other.
const (
	GitHub  System = "github"
	GitLab  System = "gitlab"
	Generic System = "generic"
)

// Secret is the name under which the CI system keeps the password.
const Secret = "REGISTRY_PASSWORD"

// Input is what the snippet depends on. Host, User and Repository go into YAML
// and shell as they are: see [Input.Check].
type Input struct {
	Host       string // the registry in image references, with its port
	User       string
	Repository Repository
	PrivateCA  bool // the registry's certificate is not one that every machine trusts
}

// Repository is where the images go.
type Repository struct {
	// Path is the repository, "team/app"; with OfProject what stands before
	// the name of the project that is built, "team/" or "".
	Path      string
	OfProject bool
}

// String is the repository as a person writes it.
func (r Repository) String() string {
	if r.OfProject {
		return r.Path + "PROJECT"
	}
	return r.Path
}

// Snippet is a rendered snippet.
type Snippet struct {
	Text  string
	File  string // where it belongs in the repository that is built
	Store string // for a person: where the password goes
}

// Check refuses what could end the quotes that it is put into, or begin
// something else there: none of it is in a host, a user name or a repository.
func (in Input) Check() error {
	for _, value := range []string{in.Host, in.User, in.Repository.Path} {
		if i := strings.IndexFunc(value, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/:[]", r))
		}); i >= 0 {
			return fmt.Errorf("%q cannot be put into a pipeline: it has %q in it", value, value[i:i+1])
		}
	}
	if in.Host == "" || in.User == "" || in.Repository == (Repository{}) {
		return fmt.Errorf("a pipeline needs a host, a user and a repository")
	}
	return nil
}

// Render writes the snippet for a system. It returns an error for a system that
// it does not know and for what [Input.Check] refuses.
func Render(system System, in Input) (Snippet, error) {
	if !slices.Contains([]System{GitHub, GitLab, Generic}, system) {
		return Snippet{}, fmt.Errorf("there is no snippet for %q", string(system))
	}
	if err := in.Check(); err != nil {
		return Snippet{}, err
	}
	t, err := template.New("").Option("missingkey=error").ParseFS(templates.CI(), string(system)+".tmpl")
	if err != nil {
		return Snippet{}, err
	}
	data := struct {
		Input
		Secret string
	}{in, Secret}
	var out Snippet
	for name, to := range map[string]*string{"snippet": &out.Text, "file": &out.File, "store": &out.Store} {
		var b strings.Builder
		if err := t.ExecuteTemplate(&b, name, data); err != nil {
			return Snippet{}, err
		}
		*to = b.String()
	}
	return out, nil
}
