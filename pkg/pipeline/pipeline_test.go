package pipeline

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write the golden files anew")

// cases are the inputs that make a difference, by the names of the golden files.
var cases = map[string]Input{
	"fixed":   {Host: "registry.example.com", User: "ci-bot", Repository: Repository{Path: "team/app"}},
	"project": {Host: "registry.example.com:8443", User: "ci-bot", Repository: Repository{Path: "team/", OfProject: true}},
	"ca":      {Host: "registry.lan", User: "123", Repository: Repository{Path: "", OfProject: true}, PrivateCA: true},
}

var systems = []System{GitHub, GitLab, Generic}

func render(t *testing.T, system System, in Input) Snippet {
	t.Helper()
	s, err := Render(system, in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGolden(t *testing.T) {
	for _, system := range systems {
		for name, in := range cases {
			s := render(t, system, in)
			got := fmt.Sprintf("file: %s\n%s\n---\n%s", s.File, s.Store, s.Text)
			path := filepath.Join("testdata", string(system)+"."+name)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is not what is rendered (-update writes it anew):\n%s", path, got)
			}
		}
	}
}

// What every snippet has to hold to, whatever it is for.
func TestEverySnippet(t *testing.T) {
	for _, system := range systems {
		for name, in := range cases {
			text := render(t, system, in).Text
			for _, must := range []string{"--password-stdin", in.Host, in.User, Secret, "docker build --tag \"$IMAGE\" .", "docker push \"$IMAGE\"", "docker logout \"$REGISTRY\""} {
				if !strings.Contains(text, must) {
					t.Errorf("%s, %s: without %q", system, name, must)
				}
			}
			for line := range strings.Lines(text) {
				if strings.HasPrefix(strings.TrimSpace(line), "#") {
					continue
				}
				if strings.Contains(line, "latest\"") || strings.Contains(line, ":latest") {
					t.Errorf("%s, %s: a tag that moves: %s", system, name, line)
				}
				if regexp.MustCompile(`docker login.*(-p |--password[= ])`).MatchString(line) {
					t.Errorf("%s, %s: the password is on a command line: %s", system, name, line)
				}
				if strings.HasSuffix(line, " \n") {
					t.Errorf("%s, %s: blanks at the end of %q", system, name, line)
				}
			}
			if got := strings.Contains(text, "CA of its own"); got != in.PrivateCA {
				t.Errorf("%s, %s: it says how to trust the CA: %v", system, name, got)
			}
			if strings.Contains(text, "<no value>") || strings.Contains(text, "{{ .") {
				t.Errorf("%s, %s: not rendered: %s", system, name, text)
			}
		}
	}
}

type githubWorkflow struct {
	Name        string
	On          map[string]any `yaml:"on"`
	Permissions map[string]string
	Jobs        map[string]struct {
		RunsOn string `yaml:"runs-on"`
		Env    map[string]string
		Steps  []struct {
			Name, Uses, Run, If string
			Env                 map[string]string
		}
	}
}

// strict reads YAML into a type that has to have every key.
func strict(t *testing.T, text string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

func TestGitHub(t *testing.T) {
	for name, in := range cases {
		var w githubWorkflow
		strict(t, render(t, GitHub, in).Text, &w)
		job := w.Jobs["image"]
		if len(w.Jobs) != 1 || w.On["push"] == nil || w.Permissions["contents"] != "read" || job.RunsOn == "" {
			t.Fatalf("%s: %+v", name, w)
		}
		if job.Env["REGISTRY"] != in.Host || job.Env["REGISTRY_USER"] != in.User {
			t.Errorf("%s: env %v", name, job.Env)
		}
		var order []string
		for _, s := range job.Steps {
			if (s.Uses == "") == (s.Run == "") {
				t.Errorf("%s: a step has either uses or run: %+v", name, s)
			}
			if strings.Contains(s.Run, "docker") {
				order = append(order, strings.Fields(s.Run[strings.Index(s.Run, "docker"):])[1])
			}
			if s.Env["REGISTRY_PASSWORD"] != "" && s.Name != "Log in" {
				t.Errorf("%s: step %q gets the password", name, s.Name)
			}
			if s.Name == "Log out" && s.If != "always()" {
				t.Errorf("%s: logs out only %q", name, s.If)
			}
			checkShell(t, s.Run)
		}
		if got := strings.Join(order, " "); got != "login build push logout" {
			t.Errorf("%s: the steps are %s", name, got)
		}
		if in.Repository.OfProject == (job.Env["IMAGE"] != "") {
			t.Errorf("%s: IMAGE is %q", name, job.Env["IMAGE"])
		}
		if image := job.Env["IMAGE"]; image != "" && image != "registry.example.com/team/app:${{ github.sha }}" {
			t.Errorf("%s: IMAGE is %q", name, image)
		}
	}
}

// The lines that are there to have their # taken away make a workflow too.
func TestGitHubUncommented(t *testing.T) {
	text := render(t, GitHub, cases["ca"]).Text
	var w githubWorkflow
	strict(t, regexp.MustCompile(`(?m)^( +)# (- name: |  env:|    REGISTRY_CA: |  run: )`).ReplaceAllString(text, "$1$2"), &w)
	names := ""
	for _, s := range w.Jobs["image"].Steps {
		names += s.Name + ","
		checkShell(t, s.Run)
	}
	if want := ",Name the image after this repository,Trust the registry's CA,Log in,Build,Push,Push the branch's tag,Log out,"; names != want {
		t.Errorf("steps %s, want %s", names, want)
	}
}

func TestGitLab(t *testing.T) {
	// Words that are keys of their own at the top, so no job may have them.
	reserved := regexp.MustCompile(`^(image|services|stages|before_script|after_script|variables|cache|include|workflow|default|pages|true|false|nil)$`)
	for name, in := range cases {
		var jobs map[string]struct {
			Stage, Image string
			Services     []string
			Variables    map[string]string
			Rules        []map[string]string
			BeforeScript []string `yaml:"before_script"`
			Script       []string
			AfterScript  []string `yaml:"after_script"`
		}
		strict(t, render(t, GitLab, in).Text, &jobs)
		if len(jobs) != 1 {
			t.Fatalf("%s: %d jobs", name, len(jobs))
		}
		for job, j := range jobs {
			if reserved.MatchString(job) {
				t.Errorf("%s: no job can be called %q", name, job)
			}
			if j.Stage != "build" || len(j.Rules) == 0 || j.Variables["REGISTRY"] != in.Host || j.Variables["REGISTRY_USER"] != in.User {
				t.Errorf("%s: %+v", name, j)
			}
			if in.Repository.OfProject == (j.Variables["IMAGE"] != "") {
				t.Errorf("%s: IMAGE is %q", name, j.Variables["IMAGE"])
			}
			lines := append(append(append([]string{}, j.BeforeScript...), j.Script...), j.AfterScript...)
			checkShell(t, strings.Join(lines, "\n"))
			if len(j.BeforeScript) != 1 || !strings.Contains(j.BeforeScript[0], "login") || len(j.AfterScript) != 1 || !strings.Contains(j.AfterScript[0], "logout") {
				t.Errorf("%s: %+v", name, j)
			}
		}
	}
}

// checkShell has a shell read a script without running it.
func checkShell(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s in\n%s", err, out, script)
	}
}

func TestCheck(t *testing.T) {
	good := cases["fixed"]
	for name, change := range map[string]func(*Input){
		"quote in the user":   func(in *Input) { in.User = `a"b` },
		"expression":          func(in *Input) { in.Repository.Path = "${{ secrets.X }}" },
		"quote in the host":   func(in *Input) { in.Host = "a'; rm -rf /; '" },
		"line break":          func(in *Input) { in.User = "a\nb" },
		"no user":             func(in *Input) { in.User = "" },
		"no host":             func(in *Input) { in.Host = "" },
		"no repository":       func(in *Input) { in.Repository = Repository{} },
		"dollar in the image": func(in *Input) { in.Repository.Path = "a/$(id)" },
	} {
		in := good
		change(&in)
		for _, system := range systems {
			if s, err := Render(system, in); err == nil || s.Text != "" {
				t.Errorf("%s: rendered for %s:\n%s", name, system, s.Text)
			}
		}
	}
	if _, err := Render("jenkins", good); err == nil || !strings.Contains(err.Error(), `"jenkins"`) {
		t.Errorf("an unknown system: %v", err)
	}
	for _, host := range []string{"[::1]:8443", "10.0.0.1", "localhost:8443"} {
		in := good
		in.Host = host
		if _, err := Render(GitHub, in); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}
