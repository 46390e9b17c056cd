package durable

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestSweep(t *testing.T) {
	for _, tt := range []struct {
		age  time.Duration
		want []string
	}{
		{0, []string{"below", "kept", "regctl-tmp-not"}},
		{time.Hour, []string{TempPrefix + "young", "below", "kept", "regctl-tmp-not"}},
	} {
		dir := t.TempDir()
		put := func(name string, old time.Duration) {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			when := time.Now().Add(-old)
			if err := os.Chtimes(path, when, when); err != nil {
				t.Fatal(err)
			}
		}
		put(TempPrefix+"young", time.Minute)
		put(TempPrefix+"old", 2*time.Hour)
		put("kept", 2*time.Hour)
		put("regctl-tmp-not", 2*time.Hour)
		put("below/"+TempPrefix+"deeper", 2*time.Hour) // that directory is somebody else's to sweep
		if err := os.Mkdir(filepath.Join(dir, TempPrefix+"dir"), 0o700); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, TempPrefix+"dir"), when, when); err != nil {
			t.Fatal(err)
		}
		if err := Sweep(dir, tt.age); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("older than %s: left %q, want %q", tt.age, got, tt.want)
		}
		if _, err := os.Stat(filepath.Join(dir, "below", TempPrefix+"deeper")); err != nil {
			t.Error(err)
		}
	}
	if err := Sweep(filepath.Join(t.TempDir(), "missing"), 0); err != nil {
		t.Errorf("a directory that is not there: %v", err)
	}
}
