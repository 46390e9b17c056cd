package fsck

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/storage"
)

// copied copies a tree.
func copied(t testing.TB, from string) string {
	t.Helper()
	to := inMemory(t)
	if out, err := exec.Command("cp", "-a", from+"/.", to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return to
}

// everythingBad damages a sample in each way that a repair without a person mends.
func everythingBad(s sample) {
	s.File(storage.BlobPath(s.layer)+"/data", "LAYER ONE")
	s.Remove(storage.BlobPath(s.config))
	s.File(storage.BlobPath(s.index)+"/data", "{}")
	s.Remove(storage.RevisionPath("team/app", s.arm))
	s.Remove(storage.BlobPath(s.arm))
	s.File(storage.RevisionPath("team/app", s.image)+"/link", "")
	s.File(storage.LayerPath("team", s.layer)+"/link", s.config.String())
	s.File(storage.LayerPath("alias", storage.SHA512.Of([]byte("an alias")))+"/link", "x")
	s.File(storage.HistoryPath("team/app", "1", s.image)+"/link", "x")
	s.Remove(storage.HistoryPath("team", "x", s.image))
	s.File(storage.TagLinkPath("team/app", "1"), s.image.String()+"\n")
}

func whole(t *testing.T, dir string) {
	t.Helper()
	if tags, why := (oracle{filepath.Join(dir, "docker/registry/v2")}).unpullable(); len(tags) > 0 {
		t.Errorf("cannot be pulled: %q: %q", tags, why)
	}
	if r := run(t, dir, Options{}); r.Damaged() {
		t.Errorf("damaged: %+v", r.Problems)
	}
}

var errKilled = errors.New("killed")

// A repair that is killed before any of its changes is finished by the next one,
// and nothing is lost on the way.
func TestKilledRepair(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	good := copied(t, s.Dir)
	everythingBad(s)
	for n := 0; ; n++ {
		dir := copied(t, s.Dir)
		before := contents(t, dir)
		count, last := 0, ""
		m, err := mendErr(dir, good, MendOptions{Tags: true, step: func(what, path string) error {
			if count == n {
				last = what + " " + path
				return errKilled
			}
			count++
			return nil
		}})
		if err == nil {
			if n < 15 {
				t.Errorf("only %d changes: %v", n, m.Steps)
			}
			return
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		for c := range before {
			if !contents(t, dir)[c] {
				t.Errorf("killed before %s: content %q is lost", last, c)
			}
		}
		if m := mend(t, dir, good, MendOptions{Tags: true}); m.Report.Damaged() {
			t.Errorf("killed before %s: %+v %v", last, m.Report.Problems, m.Steps)
		}
		whole(t, dir)
	}
}

func TestRepairPlan(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	good := copied(t, s.Dir)
	everythingBad(s)
	before := contents(t, s.Dir)
	m := mend(t, s.Dir, good, MendOptions{DryRun: true})
	var tag, fetches int
	for _, st := range m.Steps {
		switch {
		case st.Done || st.Aside != "":
			t.Errorf("done under dry run: %v", st)
		case st.Action == SetTag:
			tag++
			if st.Message != "only with --yes" || st.Digest != s.image {
				t.Errorf("%v", st)
			}
		case st.Action == Fetch:
			fetches++
			if st.From != good {
				t.Errorf("%v", st)
			}
		}
	}
	if tag != 1 || fetches != 3 || len(m.Wants) != 0 || !slices.Contains(m.Suspects, s.layer) {
		t.Errorf("%v, wants %v, suspects %v", m.Steps, m.Wants, m.Suspects)
	}
	if after := contents(t, s.Dir); len(after) != len(before) {
		t.Error("something changed")
	}
	if _, err := os.Lstat(s.Path(storage.StateDir)); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
	// Without --yes all but the tag is mended.
	m = mend(t, s.Dir, good, MendOptions{})
	if got := ids(m.Report); !slices.Equal(got, []string{"link-newline"}) || !slices.Equal(broken(m.Report), []string{"team/app:1"}) {
		t.Errorf("left: %q %q", got, broken(m.Report))
	}
}

// With nobody to ask, what is bad goes out of the way of a push, and what can be
// linked is linked.
func TestRepairAlone(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	s.File(storage.BlobPath(s.layer)+"/data", "LAYER ONE")
	s.Remove(storage.RevisionPath("team/app", s.arm))
	m := mend(t, s.Dir, "", MendOptions{})
	if got := ids(m.Report); !slices.Equal(got, []string{BlobMissing}) || len(m.Wants) != 1 || m.Wants[0].Digest != s.layer {
		t.Errorf("left: %q, wants %v", got, m.Wants)
	}
	s.File(storage.BlobPath(s.layer)+"/data", "layer one") // a push, which now writes
	whole(t, s.Dir)
	if m.Report.Checked.DamagedBytes != 9 {
		t.Errorf("%+v", m.Report.Checked)
	}
}

// The tag's time stays that of its push, since retention goes by it.
func TestRepairedTagKeepsItsTime(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	s.Remove(storage.TagPath("team/app", "1") + "/current")
	mend(t, s.Dir, "", MendOptions{Tags: true})
	info, err := os.Stat(s.Path(storage.TagLinkPath("team/app", "1")))
	if err != nil || info.ModTime().Sub(s.When).Abs() > time.Second {
		t.Errorf("%v, %v", info, err)
	}
	whole(t, s.Dir)
}

// A source that lies is not believed.
func TestRepairFromLiar(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]string{"other": "LAYER XXX", "short": "lay", "long": "layer one and more", "nothing": ""} {
		s := newSample(t)
		s.Remove(storage.BlobPath(s.layer))
		bad := copied(t, s.Dir)
		path := filepath.Join(bad, filepath.FromSlash(storage.BlobPath(s.layer)))
		os.MkdirAll(path, 0o755)
		os.WriteFile(filepath.Join(path, "data"), []byte(lie), 0o644)
		m := mend(t, s.Dir, bad, MendOptions{})
		if got := ids(m.Report); !slices.Equal(got, []string{BlobMissing}) || !strings.Contains(m.Steps[0].Message, bad+": ") {
			t.Errorf("%s: left %q, %v", name, got, m.Steps)
		}
		if left, _ := filepath.Glob(s.Path(partDir) + "/*"); len(left) > 0 {
			t.Errorf("%s: %q is left", name, left)
		}
	}
}

func TestRepairMeetsLock(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	os.Mkdir(s.Path(storage.StateDir), 0o755)
	held, err := lock.Acquire(t.Context(), s.Path(storage.StateDir+"/lock"), "regctl gc", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	var busy *lock.HeldError
	if _, err := mendErr(s.Dir, "", MendOptions{}); !errors.As(err, &busy) {
		t.Errorf("%v", err)
	}
	if _, err := mendErr(s.Dir, "", MendOptions{DryRun: true}); err != nil {
		t.Errorf("dry run: %v", err)
	}
}

// A registry, as far as it serves by digest.
func serve(t *testing.T, tree string) (url string, asked *[]string) {
	asked = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path)
		parts := strings.Split(r.URL.Path, "/")
		d, err := storage.ParseDigest(parts[len(parts)-1])
		if err != nil || !strings.HasPrefix(r.URL.Path, "/v2/mirror/") {
			if r.URL.Path == "/v2/" {
				return
			}
			http.NotFound(w, r)
			return
		}
		data, err := os.ReadFile(filepath.Join(tree, filepath.FromSlash(storage.BlobPath(d)), "data"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		if parts[len(parts)-2] == "manifests" {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Header().Set("Docker-Content-Digest", d.String())
		w.Write(data)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestRepairFromRegistry(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	url, asked := serve(t, copied(t, s.Dir))
	everythingBad(s)
	source, err := OpenRegistry(url + "/mirror")
	if err != nil {
		t.Fatal(err)
	}
	m := mend(t, s.Dir, "", MendOptions{Tags: true, Sources: []Source{source}})
	if m.Report.Damaged() {
		t.Errorf("%+v\n%v\n%q", m.Report.Problems, m.Steps, *asked)
	}
	whole(t, s.Dir)
}

func TestRegistryAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"https://mirror.example.com": "", "https://mirror.example.com:5000/a/b/": "", "http://127.0.0.1:5000": "", "http://localhost:1": "", "http://[::1]:1/x": "",
		"https://user:secret@mirror.example.com": "password", "http://mirror.example.com": "http is for this machine", "ftp://x": "not a registry's URL",
		"mirror": "not a registry's URL", "https://": "not a registry's URL", "https://h/UPPER": "", "https://h?x=y": "not a registry's URL",
	} {
		r, err := OpenRegistry(address)
		switch {
		case address == "https://h/UPPER":
			if err == nil {
				t.Errorf("%s: no error", address)
			}
		case want == "" && (err != nil || !strings.HasPrefix(strings.TrimSuffix(address, "/"), r.String())):
			t.Errorf("%s: %v", address, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
}
