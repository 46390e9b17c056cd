//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
)

// drilled is what `regctl backup drill --json` says.
type drilled struct {
	Snapshot, Image           string
	Passed, Partial           bool
	Repositories, Tags, Blobs int
	Manifests, Failed         int
	Unpullable                []struct{ Repository, Tag, Digest, Cause, Message string }
	Problems                  []struct{ ID, Digest string }
}

func (r drilled) names() string {
	var out []string
	for _, u := range r.Unpullable {
		out = append(out, u.Repository+":"+u.Tag)
	}
	return strings.Join(out, " ")
}

// testDrill drills on the backups of a stack: whole, damaged, with another version
// of the registry, interrupted and killed. Nothing of it is left.
func testDrill(t *testing.T, f *front, store, other string, s seed) {
	before := f.running(t)
	drill := func(t *testing.T, status int, args ...string) (out drilled) {
		t.Helper()
		r := f.regctl(t, append([]string{"backup", "drill", "--json", "--from", store}, args...)...)
		r.want(t, status)
		r.json(t, &out)
		f.noDrill(t)
		return out
	}
	t.Run("passes", func(t *testing.T) {
		// By another version of the registry, as before an upgrade, and of a backup
		// that is encrypted: an image, its signature, an index of two, and three more.
		sealed, identity := sealedStore(t, f)
		f.regctl(t, "backup", "drill", "--from", sealed).want(t, 1, "identity")
		f.noDrill(t)
		if out := drill(t, 0, "--image", other, "--from", sealed, "--identity", identity); !out.Passed || out.Partial || out.Image != other || out.Repositories != 3 || out.Tags != 5 || out.Manifests != 8 || out.Failed != 0 {
			t.Errorf("%+v", out)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		// A layer with other bytes, and a manifest of the index that is not there.
		var index struct{ Manifests []struct{ Digest string } }
		decode(t, f.expect(t, 200, f.boss(), "GET", "/v2/team/multi/manifests/v1", "", header{"Accept", "application/vnd.oci.image.index.v1+json"}).body, &index)
		object := func(digest string) string {
			hex := strings.TrimPrefix(digest, "sha256:")
			return filepath.Join(store, "data/sha256", hex[:2], hex)
		}
		layer, child := object(s.layer), object(index.Manifests[1].Digest)
		good := readFile(t, layer)
		if err := os.Chmod(layer, 0o600); err != nil {
			t.Fatal(err)
		}
		writeFile(t, layer, strings.ToUpper(good), 0o600)
		rename(t, child, child+".away")
		out := drill(t, 3)
		if out.Passed || out.names() != "team/app:v1 team/multi:v1" || out.Failed != 2 || len(out.Problems) != 2 || out.Tags != 3 {
			t.Fatalf("%+v", out)
		}
		if a, m := out.Unpullable[0], out.Unpullable[1]; a.Cause != s.layer || !strings.Contains(a.Message, "does not match its digest") ||
			m.Cause != index.Manifests[1].Digest || !strings.Contains(m.Message, "is not in the backup") {
			t.Errorf("%+v", out.Unpullable)
		}
		if found := f.doctor(t); !strings.Contains(found.ids(), "RC105") {
			t.Errorf("doctor: %v", found)
		}
		// What is whole is told so.
		if out := drill(t, 0, "--repository", "old/**"); !out.Passed || !out.Partial || out.Tags != 3 || out.Repositories != 1 {
			t.Errorf("%+v", out)
		}
		f.regctl(t, "status").want(t, 3) // which does not make good what failed
		writeFile(t, layer, good, 0o600)
		rename(t, child+".away", child)
	})
	t.Run("Ctrl-C, and two at once", func(t *testing.T) {
		p := f.drilling(t, store)
		f.regctl(t, "backup", "drill", "--from", store).want(t, 6, "another regctl is at work here")
		p.signal(t, syscall.SIGINT)
		p.wait(t).want(t, 130)
		f.noDrill(t)
	})
	t.Run("killed", func(t *testing.T) {
		if other == imageRegistry2 {
			f.drilling(t, store).signal(t, syscall.SIGKILL)
			eventually(t, time.Minute, "doctor sees what is left", func() bool { return strings.Contains(f.doctor(t).ids(), "RC115") })
			f.doctor(t, "--fix")
			f.noDrill(t)
		}
		f.drilling(t, store).signal(t, syscall.SIGKILL)
		if out := drill(t, 0); !out.Passed || out.Image != f.opts.registry {
			t.Errorf("%+v", out)
		}
		var status struct {
			LastDrill struct {
				Passed bool
				Tags   int
			} `json:"last_drill"`
		}
		f.must(t, "status", "--json").json(t, &status)
		if !status.LastDrill.Passed || status.LastDrill.Tags != 5 {
			t.Errorf("%+v", status)
		}
	})
	for service, was := range before {
		if now := f.running(t)[service]; now != was {
			t.Errorf("%s is %s, was %s: a drill must not touch the stack", service, now, was)
		}
	}
	if left := f.left(t); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}

// sealedStore is an encrypted backup of the stack, and the identity that opens it.
func sealedStore(t *testing.T, f *front) (store, identity string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, identity = filepath.Join(dir, "sealed"), filepath.Join(dir, "identity")
	writeFile(t, identity, key.String()+"\n", 0o600)
	f.must(t, "backup", "--to", store, "--recipient", key.Recipient().String())
	return store, identity
}

// drilling is a drill in the middle of its work.
func (f *front) drilling(t *testing.T, store string) *process {
	t.Helper()
	p := f.start(t, "", "backup", "drill", "--from", store)
	eventually(t, time.Minute, "a drill has its volume", func() bool {
		if p.ended() {
			t.Fatalf("it has ended: %v", p.wait(t))
		}
		return f.drillLeft(t) != ""
	})
	return p
}

// drillLeft lists the containers and volumes of drills.
func (f *front) drillLeft(t *testing.T) string {
	t.Helper()
	label := "label=io.regctl.drill=" + f.project
	return strings.TrimSpace(tool(t, "docker", "volume", "ls", "--quiet", "--filter", label) + tool(t, "docker", "ps", "--all", "--quiet", "--filter", label))
}

func (f *front) noDrill(t *testing.T) {
	t.Helper()
	if left := f.drillLeft(t); left != "" {
		t.Errorf("of the drill is left: %s", left)
	}
}
