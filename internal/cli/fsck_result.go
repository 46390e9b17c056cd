package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/fsck"
)

// fsckResult is what a check found.
type fsckResult struct {
	DryRun bool `json:"dry_run" doc:"nothing was changed, nor what was found remembered"`
	fsck.Report
	Repairs []fsck.Step `json:"repairs" doc:"with --repair: what was done, or with --dry-run would be; the problems are then those that are left"`

	at site
}

// mostShown is how much of each kind is shown to a person; --json has more.
const mostShown = 50

// Text begins with what a person came for: what cannot be pulled.
func (r *fsckResult) Text(w io.Writer) {
	for _, st := range r.Repairs {
		did := "did not "
		switch {
		case r.DryRun && st.Message == "":
			did = "would "
		case r.DryRun:
			did = "would not "
		case st.Done:
			did = "did "
		}
		fmt.Fprintf(w, "%s%s\n", did, st)
	}
	if r.Tags > 0 {
		fmt.Fprintf(w, "%s cannot be pulled:\n", count(r.Tags, "tag"))
		for i, b := range r.Broken {
			if i == mostShown {
				fmt.Fprintf(w, "  … and %d more\n", r.Tags-i)
				break
			}
			name := b.Repository + ":" + b.Tag
			if len(b.Platforms) > 0 {
				name += " (only " + strings.Join(b.Platforms, ", ") + ")"
			}
			fmt.Fprintf(w, "  %s: %s%s\n", name, b.Cause, times(b.Since, b.FirstSeen, b.LastGood))
		}
	}
	r.list(w, fsck.Damage, "damaged:", "!")
	r.list(w, fsck.Warning, "served today, but somebody should know:", "-")
	r.list(w, fsck.Untidy, "untidy, and no harm:", "-")
	c := r.Checked
	hashed := fmt.Sprintf("%s hashed", ui.Bytes(c.HashedBytes))
	switch {
	case r.Fast:
		hashed = "no blobs hashed"
	case r.Slice != "":
		hashed += " (slice " + r.Slice + ")"
	}
	fmt.Fprintf(w, "checked %s, %s, %s, %s of %s, %s, in %s\n", count(c.Repositories, "repository"), count(c.Tags, "tag"), count(c.Manifests, "manifest"),
		count(c.Blobs, "blob"), ui.Bytes(c.Bytes), hashed, since(time.Duration(r.DurationMS)*time.Millisecond))
	if c.Orphans > 0 {
		fmt.Fprintf(w, "blobs that belong to nothing: %d of %s; regctl gc%s frees them when they are old enough\n", c.Orphans, ui.Bytes(c.OrphanBytes), r.at.flag())
	}
	if c.DamagedBytes > 0 {
		fmt.Fprintf(w, "%s that earlier repairs moved aside lie in .regctl/damaged\n", ui.Bytes(c.DamagedBytes))
	}
	switch {
	case r.Damaged() && len(r.Repairs) == 0:
		fmt.Fprintf(w, "next: regctl fsck --repair%s --from BACKUP|URL --dry-run\n", r.at.flag())
	case r.Damaged():
	case len(r.Found) > 0:
		fmt.Fprintln(w, "nothing is damaged")
	default:
		fmt.Fprintln(w, "all is well")
	}
}

// list lists the problems of a severity.
func (r *fsckResult) list(w io.Writer, severity fsck.Severity, title, mark string) {
	total, shown := r.Count(severity), 0
	if total == 0 {
		return
	}
	fmt.Fprintln(w, title)
	for _, p := range r.Problems {
		if p.Severity != severity {
			continue
		}
		if shown == mostShown {
			break
		}
		shown++
		line := fmt.Sprintf("%s %s: %s", mark, where(p.Problem), p.Message)
		if severity == fsck.Damage {
			line += times(p.Since, p.FirstSeen, p.LastGood)
		}
		fmt.Fprintf(w, "%s (%s)\n", line, p.ID)
	}
	if shown < total {
		fmt.Fprintf(w, "  … and %d more\n", total-shown)
	}
}

// times tells since when something could be known.
func times(changed, first, good *time.Time) string {
	var parts []string
	if changed != nil {
		parts = append(parts, "changed last "+changed.Local().Format(minute))
	}
	if good != nil {
		parts = append(parts, "still whole "+good.Local().Format(minute))
	}
	if first != nil {
		parts = append(parts, "first seen "+first.Local().Format(minute))
	}
	if len(parts) == 0 {
		return ""
	}
	return " [" + strings.Join(parts, ", ") + "]"
}

const minute = "2006-01-02 15:04"

// count is a number with its noun.
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// fsckProgress tells how far a check is.
func fsckProgress(tell func(progress)) func(fsck.Progress) {
	return func(p fsck.Progress) {
		tell(progress{Phase: fsckPhases[p.Phase], Done: p.Done, Total: p.Total, Bytes: p.Bytes, BytesTotal: p.BytesTotal})
	}
}

var fsckPhases = map[fsck.Phase]string{
	fsck.PhaseWalk:  "looking what is there: blobs",
	fsck.PhaseHash:  "comparing blobs with their digests",
	fsck.PhaseJudge: "following tags and manifests: repositories",
	fsck.PhaseAgain: "looking again at what seems damaged: repositories",
	fsck.PhaseMend:  "mending",
}
