package cli

import (
	"time"

	"github.com/spf13/cobra"
)

func newCertCommand(a *App) *cobra.Command {
	return group("cert", "Issue, renew, import and look at the certificate of the front door",
		newCertIssueCommand(a), newCertRenewCommand(a), newCertStatusCommand(a), newCertImportCommand(a))
}

// certResult is what cert issue, renew and import did.
type certResult struct {
	Domain  string     `json:"domain" doc:"under which the certificate is stored"`
	Names   []string   `json:"names" doc:"what it covers"`
	Changed bool       `json:"changed" doc:"another certificate lies on disk now"`
	Issued  bool       `json:"issued" doc:"it was obtained from an ACME server, or would be"`
	Healed  bool       `json:"healed" doc:"what lay on disk was not served, and is now"`
	Served  bool       `json:"served" doc:"the front door was seen to show what lies on disk; false also while it is down"`
	Reason  string     `json:"reason" doc:"why another was due: missing, stopgap, names, changed, expiring, ari, forced or imported; empty: none was"`
	Why     string     `json:"why" doc:"the same for a person, or what holds it back"`
	Next    *time.Time `json:"next_renewal" doc:"time, null: unknown"`
	Serial  string     `json:"serial" doc:"hexadecimal, of what lies on disk"`
	DryRun  bool       `json:"dry_run" doc:"nothing was changed"`
	Millis  int64      `json:"duration_ms" doc:"milliseconds"`

	lines []string // what to say to a person
}
