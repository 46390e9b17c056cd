// Command bench measures regctl against what it is to be measured against, in
// one run on one machine, prints a table and writes it to docs/benchmarks.md.
//
// Figures that compare are ratios of medians of alternating runs: machines drift,
// and two medians of one run drift together.
//
// Its measures come in parts. `cli` times the commands, `gc` collections, `fsck`
// checks, `backup` backups and restores, against tar and restic. `front` puts load
// on the front door, on the recipe that people build by hand (recipe/) and on Nginx
// sending plain files (static/), all three on this machine's loopback, with a load
// generator that is part of this program. What is on disk lies in $TMPDIR, and
// takes 40 GiB there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// limit ends a run that hangs. A whole one takes half an hour, most of it backups.
const limit = 2 * time.Hour

type options struct {
	only   string
	scale  int64
	regctl string
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "measure only these, separated by commas: a name, or the part before its dot; docs/ is left alone")
	flag.Int64Var(&o.scale, "scale", 1, "divide the sizes of blobs by this, to try something out; docs/ is left alone")
	flag.StringVar(&o.regctl, "regctl", filepath.Join("bin", "regctl"), "the program to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, limit)
	err := run(ctx, o)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure is something to find out. Its name is part.what.
type measure struct {
	name string
	run  func() ([]row, error)
}

func (b *bench) measures() []measure {
	return []measure{
		{"cli.size", b.size},
		{"cli.help", b.help},
		{"cli.init", b.initialise},
		{"cli.up", b.up},
		{"cli.look", b.look},
		{"front.manifests", b.manifests},
		{"front.pull", b.pull},
		{"front.pulls", b.pulls},
		{"front.push", b.push},
		{"front.pushes", b.pushes},
		{"front.latency", b.latency},
		{"front.memory", b.memory},
		{"front.reload", b.reload},
		{"cert.renew", b.renew},
		{"gc.tree", b.collect},
		{"gc.tags", b.collectTags},
		{"gc.hold", b.collectHold},
		{"gc.million", b.collectMillion},
		{"fsck.full", b.checkAll},
		{"fsck.fast", b.checkFast},
		{"backup.first", b.backupFirst},
		{"backup.many", b.backupMany},
		{"backup.million", b.backupMillion},
	}
}

// chosen picks the measures that a list names, in their own order.
func chosen(all []measure, list string) ([]measure, error) {
	if list == "" {
		return all, nil
	}
	var picked []measure
	for _, want := range strings.Split(list, ",") {
		if !slices.ContainsFunc(all, func(m measure) bool { return named(m.name, want) }) {
			return nil, fmt.Errorf("no measure is called %q", want)
		}
	}
	for _, m := range all {
		if slices.ContainsFunc(strings.Split(list, ","), func(want string) bool { return named(m.name, want) }) {
			picked = append(picked, m)
		}
	}
	return picked, nil
}

func named(name, want string) bool { return name == want || strings.HasPrefix(name, want+".") }

func run(ctx context.Context, o options) error {
	if o.scale < 1 {
		return errors.New("-scale is less than 1")
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	picked, err := chosen(b.measures(), o.only)
	if err != nil {
		return err
	}
	load := loadAverage()
	var rows []row
	for _, m := range picked {
		began := time.Now()
		got, err := m.run()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, r := range got {
			fmt.Println(r.line())
		}
		fmt.Fprintf(os.Stderr, "%s took %s\n", m.name, time.Since(began).Round(100*time.Millisecond))
		rows = append(rows, got...)
	}
	about := fmt.Sprintf("%s Load average before and after: %s; %s.", b.machine(), load, loadAverage())
	if o.only == "" && o.scale == 1 {
		text := document(rows, about)
		if err := os.WriteFile(filepath.Join("docs", "benchmarks.md"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	fmt.Println(about)
	return missed(rows)
}
