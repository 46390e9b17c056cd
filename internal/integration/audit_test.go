//go:build integration

package integration

import (
	"net/http"

	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Who pushed, pulled and deleted what is told beside what regctl did, in order.
func TestAudit(t *testing.T) {
	t.Parallel()
	f := newFront(t, options{})
	reader := f.addUser(t, "reader", "--pull", "team/**")
	digest := f.pushRandom(t, "team/app:v1", 1)
	if _, err := remote.Get(f.ref(t, "team/app:v1"), f.remote(t)...); err != nil {
		t.Fatal(err)
	}
	f.expect(t, http.StatusForbidden, reader, http.MethodPost, "/v2/team/app/blobs/uploads/", "")
	f.expect(t, http.StatusUnauthorized, person{}, http.MethodGet, "/v2/team/app/manifests/v1", "")
	f.expect(t, http.StatusAccepted, f.boss(), http.MethodDelete, "/v2/team/app/manifests/"+digest, "")
	var out struct {
		Commands []struct {
			Command string
			Status  int
		}
		Access []struct{ User, Action, Repository, Reference, Decision, Agent string }
	}
	eventually(t, 10*time.Second, "the deletion is in the log", func() bool {
		f.must(t, "audit", "--access", "--json").json(t, &out)
		return len(out.Access) >= 4
	})
	var got []string
	for _, a := range out.Access {
		got = append(got, strings.Join([]string{a.User, a.Action, a.Repository, a.Reference}, " "))
	}
	want := []string{"admin push team/app v1", "admin pull team/app v1", "reader push team/app ", "admin delete team/app " + digest}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("clients did\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var commands []string
	for _, c := range out.Commands {
		commands = append(commands, c.Command)
	}
	if text := strings.Join(commands, ","); !strings.HasPrefix(text, "init,up,") || !strings.HasSuffix(text, "user add") {
		t.Errorf("regctl did %s", text)
	}
	text := f.must(t, "audit", "--access").stdout
	for _, secret := range []string{f.password, reader.password} {
		if strings.Contains(text+f.read(t, ".regctl/audit.log"), secret) {
			t.Error("the audit has a password")
		}
	}
	if before, after := strings.Index(text, "regctl user add reader"), strings.Index(text, "push team/app:v1"); before < 0 || after < before {
		t.Errorf("not in order:\n%s", text)
	}
	// Nothing of before.
	f.must(t, "audit", "--access", "--since", "2999-01-01", "--json").json(t, &out)
	if len(out.Access)+len(out.Commands) > 0 {
		t.Errorf("since the far future: %+v", out)
	}
}
