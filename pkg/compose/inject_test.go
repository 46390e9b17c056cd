package compose

import (
	"reflect"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/durable"
)

// nasty are texts that mean something to YAML, Compose, Nginx or a template.
var nasty = []string{
	`"`, `'`, "`", `\`, `\n`, "\n", "\r", "\t", " ", "#", " # ", ";", "{", "}", "{}", "[", "]", ":", ": ", ",", "&a", "*a", "!!int 1", "|", ">", "%",
	"$", "$$", "${HOME}", "$HOME", "$uri", "$http_host", "{{.HTTPSecret}}", "{{ end }}", "..", "../..", "/", "~", "-", "--", "_", ".", "0", "00", "0x1f", "1e3", "1_000", "12:30:45",
	"null", "yes", "no", "on", "true", "False", "=", "<<", "@", "a@b", "*", "*.example.com", "~^(.+)$", `""`, "a b", "a;b", "a{b", "a}b", "a\nb", "a#b", "a\x00b", "a\x7fb", "a\u0085b", "a\u2028b", "\ufeffa",
	"a\"\n  privileged: true", "a; } server { listen 444", "é", "xn--9ca", "localhost", "a.b", "a-b", "a_b", "127.0.0.1", "::1", "a:1", "a:b", "a/b:c", "a:${TAG}", "a@" + someDigest, "reg.test:5000/a/b:c-d_e.f@" + someDigest,
}

// Whatever the configuration lets through arrives as the value it was, in a file
// of the same structure.
func TestValuesStayValues(t *testing.T) {
	fields := map[string]struct {
		set  func(*config.Config, string)
		most int // of nasty, those that may be accepted: a guard that the check is on
	}{
		"project":        {func(c *config.Config, s string) { c.Project = s }, 20},
		"domain":         {func(c *config.Config, s string) { c.Domain = s }, 20},
		"bind":           {func(c *config.Config, s string) { c.Bind = s }, 3},
		"registry.image": {func(c *config.Config, s string) { c.Registry.Image = s }, 30},
		"nginx.image":    {func(c *config.Config, s string) { c.Nginx.Image = s }, 30},
		"log_level":      {func(c *config.Config, s string) { c.Registry.LogLevel = s }, 1},
	}
	for name, field := range fields {
		t.Run(name, func(t *testing.T) {
			accepted := 0
			for _, text := range nasty {
				c := config.New("registry", "localhost", config.ModeSelfSigned)
				field.set(c, text)
				if len(c.Validate()) > 0 {
					continue
				}
				accepted++
				checkValues(t, Input{Config: c, HTTPSecret: testSecret, CertName: c.Domain})
			}
			if accepted > field.most {
				t.Errorf("%d of %d odd values were accepted", accepted, len(nasty))
			}
			t.Logf("%d of %d accepted", accepted, len(nasty))
		})
	}
}

// The secret is in a file of its own, which is nobody's to validate.
func TestSecretStaysAValue(t *testing.T) {
	for _, text := range nasty {
		secret := testSecret + text
		c := config.New("registry", "localhost", config.ModeSelfSigned)
		files := rendered(t, Input{Config: c, HTTPSecret: secret, CertName: c.Domain})
		r := parseRegistry(t, files[RegistryConf].Data)
		equal(t, "secret", r.HTTP.Secret, secret)
		for _, name := range []string{ComposeFile, NginxConf} {
			if strings.Contains(string(files[name].Data), testSecret) {
				t.Errorf("%s holds the secret", name)
			}
		}
		if shown := string(mask(files[RegistryConf].Data)); strings.Contains(shown, testSecret) {
			t.Errorf("shown with its secret:\n%s", shown)
		}
	}
}

// checkValues renders, reads back, and compares each value with what it was and
// the structure with that of a plain configuration.
func checkValues(t *testing.T, in Input) {
	t.Helper()
	files := rendered(t, in)
	c := in.Config

	l := Layout{Dir: t.TempDir()}
	if err := durable.WriteFile(l.Path(ComposeFile), files[ComposeFile].Data, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := l.Load(t.Context(), l.Path(ComposeFile), c.Project)
	if err != nil {
		t.Errorf("%q: %v", []string{c.Project, c.Bind, c.Registry.Image, c.Nginx.Image}, err)
		return
	}
	equal(t, "project", p.Name, c.Project)
	equal(t, "registry image", p.Services[ServiceRegistry].Image, c.Registry.Image)
	equal(t, "nginx image", p.Services[ServiceNginx].Image, c.Nginx.Image)
	equal(t, "bind", p.Services[ServiceNginx].Ports[0].HostIP, c.Bind)
	for _, s := range p.Services {
		goldenCase{config: c}.checkHardening(t, s)
	}

	r := parseRegistry(t, files[RegistryConf].Data)
	equal(t, "realm", parseRegistry(t, files[AuthConf].Data).Auth["htpasswd"].Realm, c.Domain)
	equal(t, "log level", r.Log.Level, c.Registry.LogLevel)

	conf := parseNginx(t, files[NginxConf].Data)
	goldenCase{config: c}.checkNames(t, server(t, conf, "443"))
	plain := rendered(t, Input{Config: config.New("registry", "localhost", config.ModeSelfSigned), CertName: "localhost"})
	if got, want := names(conf), names(parseNginx(t, plain[NginxConf].Data)); !reflect.DeepEqual(got, want) {
		t.Errorf("the directives are\n%s\nwant\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// names lists the directives' names in order, with the braces of their blocks.
func names(ds []directive) []string {
	var out []string
	for _, d := range ds {
		out = append(out, d.words[0])
		if d.block != nil {
			out = append(append(append(out, "{"), names(d.block)...), "}")
		}
	}
	return out
}
