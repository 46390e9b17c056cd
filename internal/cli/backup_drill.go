package cli

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/drill"
	"github.com/regctl/regctl/pkg/pattern"
)

type drillOptions struct {
	storeFlags
	repositories []string
	sample       string
	image        string
	sparse       bool
}

func newBackupDrillCommand(a *App) *cobra.Command {
	var o drillOptions
	c := &cobra.Command{
		Use:   "drill [SNAPSHOT|latest]",
		Short: "Prove that a backup can be restored: restore it aside, pull every tag, remove it",
		Long: `Restore a snapshot, the latest unless another is named, into a volume that is
thrown away; start a registry over it that has no network, and that nobody else can
reach; ask it for every tag, and read every manifest and blob, compared with its
digest; then remove it all. The stack is not touched and runs on. What a drill that
was killed has left is removed by the next.

It takes as much room as what it restores, and refuses to begin if the disk of the
volumes would be left without a tenth of what is free now. --repository or
--sample 10% restore a part. It takes a Docker Engine and a deployment; an
encrypted backup takes the identity, as for restore.

With --image it is another version of the registry that serves the images: a proof
before an upgrade, of which status and doctor do not tell.

Exit status 3 when something does not come whole; each tag is told, and why.
regctl status and regctl doctor tell of the last drill, and of one that failed until
what failed there has passed.`,
		Example: `  regctl backup drill
  regctl backup drill 20260301T041500Z --repository 'team/**'
  regctl backup drill --image registry:3.1.2`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("backup drill takes one snapshot, got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "latest"
			if len(args) == 1 {
				name = args[0]
			}
			return a.runBackupDrill(cmd.Context(), o, name)
		},
	}
	f := c.Flags()
	f.StringVar(&o.dest, "from", "", "directory, s3://bucket/prefix or exported file (default: backup.target in regctl.yaml)")
	f.StringVar(&o.identity, "identity", "", "age identity file that decrypts it (default: backup.identity in regctl.yaml)")
	f.StringArrayVar(&o.repositories, "repository", nil, "only repositories of this pattern, such as team/** (may be given several times)")
	f.StringVar(&o.sample, "sample", "", "only a random part of the repositories: 10%")
	f.StringVar(&o.image, "image", "", "image of the registry to try it with (default: registry.image in regctl.yaml)")
	f.BoolVar(&o.sparse, "sparse", false, "an index without some of its manifests was pushed so on purpose")
	return c
}

// drillResult is what a drill found.
type drillResult struct {
	DryRun   bool      `json:"dry_run" doc:"nothing was done; the counts are of what would be restored"`
	From     string    `json:"from" doc:"where the backup is"`
	Snapshot string    `json:"snapshot" doc:"its ID"`
	Time     time.Time `json:"time" doc:"when the backup was made"`
	Image    string    `json:"image" doc:"of the registry that served it"`
	Passed   bool      `json:"passed" doc:"everything came whole"`
	Partial  bool      `json:"partial" doc:"only some repositories were tried"`
	Of       int       `json:"of" doc:"repositories that the snapshot has"`
	Room     int64     `json:"room" doc:"bytes that it takes for a while on the disk of the volumes, at most about"`
	drill.Result
	Problems   []backup.Problem `json:"problems" doc:"what needs a person: blobs of the snapshot that could not be restored"`
	DurationMS int64            `json:"duration_ms" doc:"how long it took, in milliseconds"`

	names []string // of the repositories that it tried
}

func (r *drillResult) Text(w io.Writer) {
	part := ""
	if r.Partial {
		part = fmt.Sprintf(" (a part: %d of %s)", r.Repositories, count(r.Of, "repository"))
	}
	from := fmt.Sprintf("snapshot %s of %s%s", r.Snapshot, r.Time.Local().Format(time.DateTime), part)
	if r.DryRun {
		fmt.Fprintf(w, "would restore %s into a volume that is thrown away: %s, %s, %s in %s; it takes about %s\n", from,
			count(r.Repositories, "repository"), count(r.Tags, "tag"), ui.Bytes(r.Bytes), count(r.Blobs, "blob"), ui.Bytes(r.Room))
		fmt.Fprintf(w, "would pull all of it from %s without a network, and remove both\n", r.Image)
		return
	}
	if r.Failed > 0 {
		fmt.Fprintf(w, "%s not come whole:\n", does(r.Failed))
		for i, u := range r.Unpullable {
			if i == mostShown {
				fmt.Fprintf(w, "  … and %d more\n", r.Failed-i)
				break
			}
			fmt.Fprintf(w, "  %s\n", u)
		}
	}
	for i, p := range r.Problems {
		if i == mostShown {
			fmt.Fprintf(w, "  … and %d more problems\n", len(r.Problems)-i)
			break
		}
		printBackupProblems(w, []backup.Problem{p})
	}
	verdict := "passed"
	if !r.Passed {
		verdict = "FAILED"
	}
	fmt.Fprintf(w, "drill %s: %s from %s\n", verdict, from, r.From)
	fmt.Fprintf(w, "pulled from %s: %s, %s, %s, %s in %s; %s\n", r.Image, count(r.Repositories, "repository"), count(r.Tags, "tag"),
		count(r.Manifests, "manifest"), ui.Bytes(r.Bytes), count(r.Blobs, "blob"), since(time.Duration(r.DurationMS)*time.Millisecond))
}

func does(n int) string {
	if n == 1 {
		return "1 does"
	}
	return fmt.Sprintf("%d do", n)
}

// choice are the repositories to be drilled on, nil: all.
func (o drillOptions) match() func(string) bool {
	if len(o.repositories) == 0 {
		return nil
	}
	return func(name string) bool {
		for _, p := range o.repositories {
			if pattern.Matches(p, name) {
				return true
			}
		}
		return false
	}
}

func (o drillOptions) check() (part float64, err error) {
	for _, p := range o.repositories {
		if err := pattern.Check(p); err != nil {
			return 0, usagef("--repository %s: %v", p, err)
		}
	}
	if o.image != "" && strings.TrimSpace(o.image) != o.image || strings.HasPrefix(o.image, "-") {
		return 0, usagef("--image %q is no image", o.image)
	}
	if o.sample == "" {
		return 1, nil
	}
	return parsePart(o.sample, "repositories")
}

// draw takes a random part of the repositories, at least one.
func draw(names []string, part float64) []string {
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:min(len(names), max(1, int(float64(len(names))*part+0.5)))]
}
