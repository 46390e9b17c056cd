package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// project is the Compose project that the measurements run in.
const project = "regctl-bench"

type bench struct {
	regctl string // the binary
	dir    string // temporary
}

func newBench(root string) (*bench, error) {
	dir, err := os.MkdirTemp("", "regctl-bench-")
	b := &bench{regctl: filepath.Join(root, "bin", "regctl"), dir: dir}
	if err == nil {
		_, err = os.Stat(b.regctl)
	}
	return b, err
}

// close removes what the measurements left.
func (b *bench) close() {
	file := filepath.Join(b.dir, "stack", "docker-compose.yml")
	if _, err := os.Stat(file); err == nil {
		exec.Command("docker", "compose", "-p", project, "-f", file, "down", "--volumes", "--timeout", "5").Run()
	}
	os.RemoveAll(b.dir)
}

// once runs a command and returns how long it took.
func once(argv ...string) (time.Duration, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return took, err
}

// turns runs functions in turn, n rounds after one that does not count, and
// returns the median of each.
func turns(n int, runs ...func() (time.Duration, error)) ([]time.Duration, error) {
	times := make([][]time.Duration, len(runs))
	for round := range n + 1 {
		for i, run := range runs {
			d, err := run()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				times[i] = append(times[i], d)
			}
		}
	}
	medians := make([]time.Duration, len(runs))
	for i, t := range times {
		slices.Sort(t)
		medians[i] = t[len(t)/2]
	}
	return medians, nil
}

func command(argv ...string) func() (time.Duration, error) {
	return func() (time.Duration, error) { return once(argv...) }
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func ratio(a, b time.Duration) string { return fmt.Sprintf("%.2f", float64(a)/float64(b)) }

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
		{"binary", fmt.Sprintf("%.1f MB", float64(fi.Size())/1e6), "", ""},
		{"modules linked", fmt.Sprint(strings.Count(string(out), "\n\tdep\t")), "", ""},
	}, nil
}

func (b *bench) help() ([]row, error) {
	m, err := turns(21, command(b.regctl, "--help"), command("docker", "--help"))
	if err != nil {
		return nil, err
	}
	return []row{{"`regctl --help`", millis(m[0]), "`docker --help` " + millis(m[1]), ratio(m[0], m[1])}}, nil
}

// initialise times init. A generated password is hashed at bcrypt's cost 5,
// about 2 ms, which is in the figure.
func (b *bench) initialise() ([]row, error) {
	n := 0
	m, err := turns(11, func() (time.Duration, error) {
		n++
		return once(b.regctl, "init", filepath.Join(b.dir, fmt.Sprintf("init-%d", n)), "--domain", "localhost", "--https-port", "8443")
	})
	if err != nil {
		return nil, err
	}
	return []row{{"`regctl init`, local CA and first user", millis(m[0]), "", ""}}, nil
}

// up times a start from nothing and an up of what runs already, each against
// Compose alone doing the same: it neither checks nor waits.
func (b *bench) up() ([]row, error) {
	dir := filepath.Join(b.dir, "stack")
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	images := map[string]string{"--registry-image": "registry:3.1.2", "--nginx-image": "nginx:1.30.6-alpine"}
	if exec.Command("docker", "image", "inspect", images["--nginx-image"], images["--registry-image"]).Run() != nil {
		images = map[string]string{"--registry-image": "regctl.local/registry:3", "--nginx-image": "regctl.local/nginx:latest"}
	}
	args := []string{b.regctl, "init", dir, "--domain", "localhost", "--https-port", fmt.Sprint(port), "--project", project}
	for flag, image := range images {
		args = append(args, flag, image)
	}
	if _, err := once(args...); err != nil {
		return nil, err
	}
	compose := []string{"docker", "compose", "-p", project, "-f", filepath.Join(dir, "docker-compose.yml")}
	down := func() error {
		_, err := once(append(slices.Clone(compose), "down", "--timeout", "5")...)
		return err
	}
	fresh := func(argv ...string) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			if err := down(); err != nil {
				return 0, err
			}
			return once(argv...)
		}
	}
	regctl, alone := []string{b.regctl, "up", "-C", dir}, append(slices.Clone(compose), "up", "--detach")
	first, err := turns(5, fresh(regctl...), fresh(alone...))
	if err != nil {
		return nil, err
	}
	if _, err := once(regctl...); err != nil { // the last of them was Compose's
		return nil, err
	}
	again, err := turns(11, command(regctl...), command(alone...))
	if err != nil {
		return nil, err
	}
	return []row{
		{"`regctl up` from nothing, images present, until it answers", millis(first[0]), "`docker compose up -d` " + millis(first[1]), ratio(first[0], first[1])},
		{"`regctl up`, nothing to change, checked through the front door", millis(again[0]), "`docker compose up -d` " + millis(again[1]), ratio(again[0], again[1])},
	}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// machine describes what was measured on and with.
func (b *bench) machine() string {
	engine, _ := exec.Command("docker", "version", "--format", "{{.Server.Version}}").Output()
	plugin, _ := exec.Command("docker", "compose", "version", "--short").Output()
	return fmt.Sprintf("%d cores, %s/%s, %s, Docker Engine %s, Compose %s.", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		runtime.Version(), strings.TrimSpace(string(engine)), strings.TrimSpace(string(plugin)))
}
