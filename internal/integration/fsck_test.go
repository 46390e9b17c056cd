//go:build integration

package integration

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// checked is what `regctl fsck --json` says.
type checked struct {
	Checked    struct{ Repositories, Tags, Blobs, Hashed int }
	Unpullable []struct{ Repository, Tag, ID string }
	Problems   []struct{ ID, Severity, Repository, Digest, Path, Message string }
	Found      []struct{ ID string }
	Repairs    []repair
}

type repair struct {
	Action, Path, From string
	Done               bool
}

// broken are the tags that cannot be pulled.
func (c checked) broken() string {
	var out []string
	for _, b := range c.Unpullable {
		out = append(out, b.Repository+":"+b.Tag)
	}
	return strings.Join(out, " ")
}

// A hundred kinds of damage to a real registry's volume, all at once: what is told
// to be broken is what clients cannot pull. It is mended from an encrypted backup, and
// then, damaged again, from another registry; each time the registry serves every
// tag again but those that nobody can mend.
func TestFsckRepairsStack(t *testing.T) {
	t.Parallel()
	for name, image := range map[string]string{"registry 3": imageRegistry3, "registry 2": imageRegistry2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			identity, recipient := ageKey(t)
			began := time.Now()
			lap := func(what string) { t.Logf("%s after %s", what, time.Since(began).Round(time.Second)) }
			d := &damagedStack{front: newFront(t, options{registry: image}, "backup:", "  recipients: ["+recipient+"]")}
			lap("up")
			d.grow(t)
			lap("grown")
			var c checked
			d.must(t, "fsck", "--json").json(t, &c)
			if len(c.Problems) != 0 || c.Checked.Tags != 5*len(d.kinds) || c.Checked.Hashed != c.Checked.Blobs {
				t.Fatalf("a healthy registry: %+v", c)
			}
			store := filepath.Join(t.TempDir(), "store")
			d.must(t, "backup", "--to", store)
			lap("backed up")
			mirror := d.mirror(t, image)

			d.harm()
			d.expect(t, "damaged", d.regctl(t, "fsck", "--json"), "harmed")
			lap("damaged")
			r := d.regctl(t, "fsck", "--repair", "--from", store, "--json")
			if r.status != 1 || !strings.Contains(r.stderr, "no identity") {
				t.Errorf("without a key: %v", r)
			}
			r = d.regctl(t, "fsck", "--repair", "--from", store, "--identity", identity, "--yes", "--json")
			d.expect(t, "mended from a backup", r, "left")
			c = checked{}
			r.json(t, &c)
			if !slices.ContainsFunc(c.Repairs, func(st repair) bool { return st.Action == "fetch" && st.Done && st.From == store }) {
				t.Errorf("nothing came from %s: %+v", store, c.Repairs)
			}
			if aside, _ := filepath.Glob(filepath.Join(d.root, ".regctl/damaged/*/docker/registry/v2/blobs/sha256/*/*/data")); len(aside) < 20 {
				t.Errorf("only %d bad blobs were moved aside", len(aside))
			}

			lap("mended once")
			d.reset(t)
			d.harm()
			d.expect(t, "mended from a registry", d.regctl(t, "fsck", "--repair", "--from", mirror, "--yes", "--json"), "left")
			d.pushRandom(t, "team/app:2", 1)
			d.whole(t, "team/app:2")
		})
	}
}

// damagedStack is a stack with a sample for each kind of damage.
type damagedStack struct {
	*front
	root, good string
	samples    []storagetest.Sample
	kinds      []storagetest.Damage
}

func (d *damagedStack) grow(t *testing.T) {
	d.root, d.good, d.kinds = d.volume(t, "registry-data"), t.TempDir(), storagetest.Damages()
	tree := storagetest.New(d.root)
	for i := range d.kinds {
		d.samples = append(d.samples, storagetest.NewSample(tree, fmt.Sprintf("k%03d", i)))
	}
	tool(t, "cp", "-a", filepath.Join(d.root, "docker"), d.good)
}

// mirror starts another registry, with the same images, and returns its URL.
func (d *damagedStack) mirror(t *testing.T, image string) string {
	t.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	tool(t, "docker", "run", "--detach", "--label", testLabel+"="+d.project, "--publish", address+":5000",
		"--volume", d.good+":/var/lib/registry:ro", image)
	eventually(t, time.Minute, "the other registry answers", func() bool {
		r, err := http.Get("http://" + address + "/v2/")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return "http://" + address
}

// harm does all damage.
func (d *damagedStack) harm() {
	for i, k := range d.kinds {
		k.Do(d.samples[i])
	}
}

// reset makes the volume what it was.
func (d *damagedStack) reset(t *testing.T) {
	t.Helper()
	for _, name := range []string{"docker", ".regctl"} {
		if err := os.RemoveAll(filepath.Join(d.root, name)); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "cp", "-a", filepath.Join(d.good, "docker"), d.root)
}

// expect compares the tags that regctl says cannot be pulled with those that are to
// be broken, and with what a client finds that pulls each.
func (d *damagedStack) expect(t *testing.T, what string, r result, state string) {
	t.Helper()
	type pulled struct{ tag, kind string }
	var all []pulled
	var want []string
	ids := map[string]bool{}
	for i, k := range d.kinds {
		tags := ""
		switch {
		case state == "harmed":
			tags = k.Tags
			for _, id := range strings.Fields(k.IDs) {
				ids[id] = true
			}
		case state == "left" && k.Lost:
			tags = k.Tags
		}
		s := d.samples[i]
		for _, tag := range []string{"alias", "deep", "multi", "v1", "x"} {
			name := s.App + ":" + tag
			if tag == "x" {
				name = s.Other + ":" + tag
			}
			// The others are pulled elsewhere: here are a thousand tags.
			if slices.Contains(strings.Fields(k.Tags), tag) || k.Tags == "" && tag == "v1" {
				all = append(all, pulled{name, k.Name})
			}
			if slices.Contains(strings.Fields(tags), tag) {
				want = append(want, name)
			}
		}
	}
	var c checked
	r.json(t, &c)
	if got, want := c.broken(), strings.Join(want, " "); got != want || r.status != 3 {
		t.Errorf("%s: status %d, cannot be pulled:\n%s\nwant\n%s", what, r.status, got, want)
	}
	for _, f := range c.Found {
		delete(ids, f.ID)
	}
	for _, young := range []string{"empty-directory", "temporary-file", "repository-empty", "upload-stale"} {
		delete(ids, young) // counts when it is older
	}
	if len(ids) > 0 {
		t.Errorf("%s: not found: %v", what, ids)
	}
	told := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				if err := d.tryWhole(t, all[i].tag); (err != nil) != slices.Contains(want, all[i].tag) {
					t.Errorf("%s: %s (%s): a client gets %v", what, all[i].tag, all[i].kind, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%s: %d tags pulled in %s; regctl took %s", what, len(all), time.Since(told), r.took)
}

// ageKey makes a key to encrypt backups with: the file with its secret part, and the
// public one.
func ageKey(t *testing.T) (identity, recipient string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity = filepath.Join(t.TempDir(), "identity")
	writeFile(t, identity, id.String()+"\n", 0o600)
	return identity, id.Recipient().String()
}
