package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/backup"
)

type verifyOptions struct {
	storeFlags
	data   bool
	sample string
}

func newBackupVerifyCommand(a *App) *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that the backups are whole",
		Long: `Check that each snapshot can be read and that the blobs it needs are there with
the right size. With --data every blob is read and compared with its digest, with
--sample 5% a random part of them. Exit status 3 when something is wrong.

Encrypted backups are checked without their identity as far as that goes; to
compare blobs takes it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runBackupVerify(cmd.Context(), o) },
	}
	o.register(c)
	c.Flags().BoolVar(&o.data, "data", false, "read every blob and compare it with its digest")
	c.Flags().StringVar(&o.sample, "sample", "", "read a random part of the blobs: 5%")
	return c
}

// verifyResult is what was found.
type verifyResult struct {
	Target string `json:"target" doc:"where the backups are"`
	backup.Verified
}

func (r *verifyResult) Text(w io.Writer) {
	fmt.Fprintf(w, "%s, %s in %s; read and compared %s in %d", count(r.Snapshots, "snapshot"), ui.Bytes(r.Bytes), count(int(r.Blobs), "blob"), ui.Bytes(r.ReadBytes), r.Read)
	if r.Unused > 0 {
		fmt.Fprintf(w, "; %d that none needs (regctl backup prune)", r.Unused)
	}
	fmt.Fprintln(w)
	if !r.Links {
		fmt.Fprintln(w, "the listings of links are encrypted and were not read: --identity FILE")
	}
	printBackupProblems(w, r.Problems)
}

func (o verifyOptions) part() (float64, error) {
	if o.data && o.sample != "" {
		return 0, usagef("--data reads every blob, --sample a part: one of them")
	}
	if o.data {
		return 1, nil
	}
	if o.sample == "" {
		return 0, nil
	}
	return parsePart(o.sample, "blobs")
}

// parsePart reads the value of --sample.
func parsePart(text, of string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(n > 0 && n <= 100) {
		return 0, usagef("--sample %s: a part of the %s, such as 5%%", text, of)
	}
	return n / 100, nil
}

func (a *App) runBackupVerify(ctx context.Context, o verifyOptions) error {
	part, err := o.part()
	if err != nil {
		return err
	}
	s, _, err := a.theStore(ctx, o.storeFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	tell, end := a.backupShow()
	found, err := s.Verify(ctx, backup.VerifyOptions{Data: part, Command: "regctl backup verify", Progress: tell})
	end()
	if err != nil {
		return err
	}
	if err := a.ui.Result(&verifyResult{s.String(), *found}); err != nil {
		return err
	}
	return problemsOf(len(found.Problems) > 0)
}

// backupShow shows the progress of work that is done in this process.
func (a *App) backupShow() (tell func(backup.Progress), end func()) {
	show := ui.Progress{UI: &a.ui}
	return backupProgress(func(p progress) {
		show.Show(ui.Amount{Phase: p.Phase, Done: p.Done, Total: p.Total, Bytes: p.Bytes, BytesTotal: p.BytesTotal})
	}), show.End
}
