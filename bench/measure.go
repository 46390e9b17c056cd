package main

import (
	"bytes"
	"context"
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

type bench struct {
	ctx    context.Context
	regctl string // the program
	scale  int64
	dir    string // temporary
	// project is what the names of all Compose projects begin with. The process's
	// number keeps two runs at once apart.
	project string
	images  images
	engine  *engine
	doors   *doors   // the stacks under load, once one is needed
	undo    []func() // in the order of what they undo
}

// images are the same on all sides.
type images struct{ registry, registry2, nginx string }

func newBench(ctx context.Context, o options) (*bench, error) {
	program, err := filepath.Abs(o.regctl)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(program); err != nil {
		return nil, err
	}
	e, err := newEngine(ctx)
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, regctl: program, scale: o.scale, engine: e, project: fmt.Sprintf("regctl-bench-%d", os.Getpid())}
	b.images = images{"registry:3.1.2", "registry:2.8.3", "nginx:1.30.6-alpine"}
	if exec.Command("docker", "image", "inspect", b.images.registry, b.images.registry2, b.images.nginx).Run() != nil {
		b.images = images{"regctl.local/registry:3", "regctl.local/registry:2", "regctl.local/nginx:latest"}
	}
	b.dir, err = os.MkdirTemp("", "regctl-bench-")
	return b, err
}

// close removes what the measurements left.
func (b *bench) close() {
	for _, f := range slices.Backward(b.undo) {
		f()
	}
	os.RemoveAll(b.dir)
}

// downLater has a Compose project removed at the end, with its volumes. Not
// under the run's own context: it must happen after an interrupt as well.
func (b *bench) downLater(project, file string, env []string) {
	b.undo = append(b.undo, func() {
		cmd := exec.Command("docker", "compose", "-p", project, "-f", file, "down", "--volumes", "--timeout", "2")
		cmd.Env = append(os.Environ(), env...)
		cmd.Run()
	})
}

// once runs a command and returns how long it took.
func (b *bench) once(argv ...string) (time.Duration, error) {
	return b.with(nil, "", argv...)
}

// with runs a command with more in its environment and with an input.
func (b *bench) with(env []string, input string, argv ...string) (time.Duration, error) {
	took, _, err := b.exec(env, input, argv...)
	return took, err
}

// exec is with, and hands over the command's standard output.
func (b *bench) exec(env []string, input string, argv ...string) (time.Duration, []byte, error) {
	cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(append(out.Bytes(), said.Bytes()...)))
	}
	return took, out.Bytes(), err
}

// sample is what one run found; what a run does not measure is 0.
type sample struct {
	took      time.Duration
	server    time.Duration // CPU time of the containers
	own       time.Duration // CPU time of this program
	perSecond float64
}

// turns runs functions in turn, n rounds after one that does not count, and
// returns the median of each.
func turns(n int, runs ...func() (sample, error)) ([]sample, error) {
	for _, run := range runs {
		if _, err := run(); err != nil {
			return nil, err
		}
	}
	return rounds(n, runs...)
}

// rounds is turns without the round that does not count, for runs so long that
// what was cold in the first does not show.
func rounds(n int, runs ...func() (sample, error)) ([]sample, error) {
	got := make([][]sample, len(runs))
	for range n {
		for i, run := range runs {
			s, err := run()
			if err != nil {
				return nil, err
			}
			got[i] = append(got[i], s)
		}
	}
	medians := make([]sample, len(runs))
	for i, all := range got {
		medians[i] = sample{
			took:      median(all, func(s sample) time.Duration { return s.took }),
			server:    median(all, func(s sample) time.Duration { return s.server }),
			own:       median(all, func(s sample) time.Duration { return s.own }),
			perSecond: median(all, func(s sample) float64 { return s.perSecond }),
		}
	}
	return medians, nil
}

func median[T time.Duration | float64](all []sample, field func(sample) T) T {
	values := make([]T, 0, len(all))
	for _, s := range all {
		values = append(values, field(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// command is a run that times a program.
func (b *bench) command(argv ...string) func() (sample, error) {
	return func() (sample, error) {
		took, err := b.once(argv...)
		return sample{took: took}, err
	}
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func cpuSeconds(d time.Duration) string { return fmt.Sprintf("%.2f CPU-s", d.Seconds()) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

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
	plugin, _ := exec.Command("docker", "compose", "version", "--short").Output()
	return fmt.Sprintf("%d cores, %s/%s, %s, Docker Engine %s, Compose %s, images %s and %s%s.", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		runtime.Version(), b.engine.version, strings.TrimSpace(string(plugin)), b.images.nginx, b.images.registry, b.doors.versions())
}

// loadAverage says what the machine did in the last 1, 5 and 15 minutes.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], ", ")
}
