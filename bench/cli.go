package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// size weighs the binary and counts the modules linked into it.
func (b *bench) size() ([]row, error) {
	fi, err := os.Stat(b.regctl)
	if err != nil {
		return nil, err
	}
	out, err := exec.Command("go", "version", "-m", b.regctl).Output()
	if err != nil {
		return nil, err
	}
	return []row{
		{what: "binary", figure: fmt.Sprintf("%.1f MB", float64(fi.Size())/1e6)},
		{what: "modules linked", figure: fmt.Sprint(strings.Count(string(out), "\n\tdep\t"))},
	}, nil
}

func (b *bench) help() ([]row, error) {
	m, err := turns(21, b.command(b.regctl, "--help"), b.command("docker", "--help"))
	if err != nil {
		return nil, err
	}
	return []row{{what: "`regctl --help`", figure: millis(m[0].took), against: "`docker --help` " + millis(m[1].took), ratio: ratio(m[0].took, m[1].took)}}, nil
}

// initialise times init. A generated password is hashed at bcrypt's cost 5,
// about 2 ms, which is in the figure.
func (b *bench) initialise() ([]row, error) {
	n := 0
	m, err := turns(11, func() (sample, error) {
		n++
		took, err := b.once(b.regctl, "init", filepath.Join(b.dir, fmt.Sprintf("init-%d", n)), "--domain", "localhost", "--https-port", "8443")
		return sample{took: took}, err
	})
	if err != nil {
		return nil, err
	}
	return []row{{what: "`regctl init`, local CA and first user", figure: millis(m[0].took)}}, nil
}

// look times what only looks at a stack that is up, each against asking the engine
// for its containers.
func (b *bench) look() ([]row, error) {
	dir, project := filepath.Join(b.dir, "look"), b.project+"-look"
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	if _, err := b.once(b.regctl, "init", dir, "--domain", "localhost", "--bind", "127.0.0.1", "--https-port", fmt.Sprint(port),
		"--project", project, "--registry-image", b.images.registry, "--nginx-image", b.images.nginx); err != nil {
		return nil, err
	}
	b.downLater(project, filepath.Join(dir, "docker-compose.yml"), nil)
	if _, err := b.once(b.regctl, "up", "-C", dir); err != nil {
		return nil, err
	}
	list := b.command("docker", "ps", "--all", "--filter", "label=com.docker.compose.project="+project)
	// doctor tells of the stand-ins' names, and that nothing is scheduled: status 3.
	doctor := b.command("sh", "-c", `"$1" doctor -C "$2" --json || [ $? = 3 ]`, "sh", b.regctl, dir)
	m, err := turns(11, b.command(b.regctl, "status", "-C", dir), doctor, list)
	if err != nil {
		return nil, err
	}
	if _, err := b.once("docker", "compose", "-p", project, "-f", filepath.Join(dir, "docker-compose.yml"), "down", "--timeout", "5"); err != nil {
		return nil, err
	}
	within := func(what string, s sample, most time.Duration) row {
		return row{what: what, figure: millis(s.took), against: "`docker ps` " + millis(m[2].took), ratio: ratio(s.took, m[2].took),
			must: bound{"under " + most.String(), s.took < most}}
	}
	return []row{within("`regctl status`", m[0], time.Second), within("`regctl doctor`", m[1], 5*time.Second)}, nil
}

// up times a start from nothing and an up of what runs already, each against
// Compose alone doing the same: it neither checks nor waits.
func (b *bench) up() ([]row, error) {
	dir := filepath.Join(b.dir, "stack")
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "docker-compose.yml")
	if _, err := b.once(b.regctl, "init", dir, "--domain", "localhost", "--bind", "127.0.0.1", "--https-port", fmt.Sprint(port),
		"--project", b.project, "--registry-image", b.images.registry, "--nginx-image", b.images.nginx); err != nil {
		return nil, err
	}
	b.downLater(b.project, file, nil)
	compose := []string{"docker", "compose", "-p", b.project, "-f", file}
	fresh := func(argv ...string) func() (sample, error) {
		return func() (sample, error) {
			if _, err := b.once(append(slices.Clone(compose), "down", "--timeout", "5")...); err != nil {
				return sample{}, err
			}
			took, err := b.once(argv...)
			return sample{took: took}, err
		}
	}
	regctl, alone := []string{b.regctl, "up", "-C", dir}, append(slices.Clone(compose), "up", "--detach")
	first, err := turns(5, fresh(regctl...), fresh(alone...))
	if err != nil {
		return nil, err
	}
	if _, err := b.once(regctl...); err != nil { // the last of them was Compose's
		return nil, err
	}
	again, err := turns(11, b.command(regctl...), b.command(alone...))
	if err != nil {
		return nil, err
	}
	// Nothing of it may disturb the measures that follow.
	if _, err := b.once(append(slices.Clone(compose), "down", "--timeout", "5")...); err != nil {
		return nil, err
	}
	against := func(s sample) string { return "`docker compose up -d` " + millis(s.took) }
	return []row{
		{what: "`regctl up` from nothing, images present, until it answers", figure: millis(first[0].took), against: against(first[1]), ratio: ratio(first[0].took, first[1].took)},
		{what: "`regctl up`, nothing to change, checked through the front door", figure: millis(again[0].took), against: against(again[1]), ratio: ratio(again[0].took, again[1].took)},
	}, nil
}
