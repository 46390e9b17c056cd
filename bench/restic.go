package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// restic is a repository of restic's, with a cache of its own, which restic has
// on by default.
type restic struct {
	bench *bench
	repo  string
	env   []string
}

// newRestic says where a repository is to be. Nothing is there before init.
func (b *bench) newRestic(name string) (*restic, error) {
	if _, err := exec.LookPath("restic"); err != nil {
		return nil, fmt.Errorf("%w: install restic, on Debian and Ubuntu: sudo hack/env.sh bench", err)
	}
	dir := filepath.Join(b.dir, name)
	// The password of a repository that lives as long as this run.
	return &restic{b, filepath.Join(dir, "repo"), []string{"RESTIC_REPOSITORY=" + filepath.Join(dir, "repo"),
		"RESTIC_CACHE_DIR=" + filepath.Join(dir, "cache"), "RESTIC_PASSWORD=bench"}}, nil
}

// again makes the repository anew.
func (r *restic) again() error {
	if err := os.RemoveAll(filepath.Dir(r.repo)); err != nil {
		return err
	}
	_, err := r.bench.with(r.env, "", "restic", "init", "--quiet")
	return err
}

func (r *restic) backup(dir string) (sample, error) {
	took, err := r.bench.with(r.env, "", "restic", "backup", "--quiet", dir)
	return sample{took: took}, err
}

func (r *restic) restore(dir string) (sample, error) {
	took, err := r.bench.with(r.env, "", "restic", "restore", "latest", "--quiet", "--target", dir)
	return sample{took: took}, err
}
