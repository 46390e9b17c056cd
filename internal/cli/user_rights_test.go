package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/users"
)

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 9, 2, 10, 0, 0, 500, time.FixedZone("", 3600))
	for value, want := range map[string]string{
		"90d": "2026-12-01T09:00:01Z", "12h": "2026-09-02T21:00:01Z", "1s": "2026-09-02T09:00:02Z",
		"0s": "", "": "", "-1d": "", "90": "", "never": "", "2026-12-01": "",
	} {
		got, err := expiry(value, now)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is %v", value, got)
		case want != "" && (err != nil || got.Format(time.RFC3339) != want):
			t.Errorf("%q is %v, %v; want %s", value, got, err, want)
		}
	}
	if got, err := expiry("1d", now.Truncate(time.Second)); err != nil || got.Format(time.RFC3339) != "2026-09-03T09:00:00Z" {
		t.Errorf("from a whole second: %v, %v", got, err)
	}
}

// Fifty processes that add a user each lose neither users nor rights.
func TestUsersAddedAtOnce(t *testing.T) {
	const n = 50
	bin, err := exec.LookPath("regctl")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "reg")
	run := func(args ...string) error {
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "REGCTL_DIR="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
		return nil
	}
	if err := run("init", dir, "--domain", "localhost", "--https-port", "8443"); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			name := fmt.Sprint("user", i)
			if err := run("user", "add", name, "--pull", "team/"+name, "--push", "**"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	store := userStore(compose.Layout{Dir: dir})
	list, faults, err := store.List()
	if err != nil || len(faults) > 0 || len(list) != n+1 {
		t.Errorf("%d users, %v, %v", len(list), faults, err)
	}
	rights, err := store.Rights()
	if err != nil || len(rights) != n+1 {
		t.Fatalf("%d users have rights, %v", len(rights), err)
	}
	for i := range n {
		name := fmt.Sprint("user", i)
		if want := (users.Rights{Pull: []string{"team/" + name}, Push: []string{"**"}}); !rights[name].Equal(want) {
			t.Errorf("%s has %s", name, rights[name])
		}
	}
}

// The fields that several results share are in the reference of each.
func TestReferenceHasSharedFields(t *testing.T) {
	reference := JSONReference()
	for _, heading := range []string{"## user add", "## user grant, user revoke", "## ci github, ci gitlab, ci generic"} {
		_, section, ok := strings.Cut(reference, "\n"+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !ok || !strings.Contains(section, "| `expires` | time or null |") || strings.Contains(section, "rightsFields") {
			t.Errorf("%s:%s", heading, section)
		}
	}
	if !strings.Contains(reference, "| `users[].pull` | list of string |") && !strings.Contains(reference, "| `users.pull` | list of string |") {
		t.Error("user ls lacks the rights of each user")
	}
}
