//go:build integration

package integration

import (
	"net/http"
	"strings"
	"testing"
)

// testCI makes a pipeline's user with its snippet; its password is good for a
// push to where the pipeline pushes and for nothing else.
func testCI(t *testing.T, f *front) {
	r := f.must(t, "ci", "generic", "--user", "pipeline", "--push", "pipes/*", "--json")
	var out struct {
		User, Password, Secret, Host, Repository, Snippet string
		Created                                           bool
	}
	r.json(t, &out)
	if !out.Created || out.User != "pipeline" || out.Password == "" || out.Host != f.host() || !strings.HasPrefix(out.Repository, "pipes/") {
		t.Fatalf("%+v", out)
	}
	if strings.Contains(out.Snippet, out.Password) || !strings.Contains(out.Snippet, out.Secret) || !strings.Contains(out.Snippet, "--password-stdin") {
		t.Errorf("the snippet: %s", out.Snippet)
	}
	bot := person{out.User, out.Password}
	docker := newDockerCLI(t)
	docker.try(t, bot.password, "login", "--username", bot.name, "--password-stdin", f.host()).want(t, 0)
	for image, refusal := range map[string]string{
		"pipes/app:1": "", "team/app:ci": "lacks the right push on team/app", "pipes/app/deeper:1": "lacks the right push on pipes/app/deeper",
	} {
		name := f.host() + "/" + image
		importTiny(t, name)
		outcome(t, "push of "+image, docker.try(t, "", "push", name), refusal == "", refusal)
	}
	outcome(t, "pull of what it pushed", docker.try(t, "", "pull", f.host()+"/pipes/app:1"), false, "lacks the right pull on pipes/app")
	f.expect(t, http.StatusForbidden, bot, http.MethodGet, "/v2/_catalog", "")
	f.expect(t, http.StatusForbidden, bot, http.MethodDelete, "/v2/pipes/app/manifests/"+f.digest(t, "pipes/app:1"), "")
	f.expect(t, http.StatusForbidden, bot, http.MethodGet, "/v2/team/app/manifests/v1", "")

	// Once more: the user stays as it is, and so does its password.
	again := f.must(t, "ci", "generic", "--user", "pipeline", "--json")
	if strings.Contains(again.stdout+again.stderr, bot.password) || strings.Contains(again.stdout, `"password"`) {
		t.Errorf("the password is shown a second time: %v", again)
	}
	f.expect(t, http.StatusOK, bot, http.MethodGet, "/v2/", "")
}
