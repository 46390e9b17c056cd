package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
)

// runStatusWatch shows the state again and again. An engine that is gone for a
// while is a problem like others. Ctrl-C is how it ends, and no failure.
func (a *App) runStatusWatch(ctx context.Context, every time.Duration) error {
	clear := !a.ui.JSON && !a.ui.Plain && ui.IsTerminal(a.Out)
	for first := true; ; first = false {
		r, err := a.status(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if r == nil {
			return err
		}
		if err != nil {
			r.problem("%s", strings.TrimSuffix(fmt.Sprintf("%v; %s", err, advice.Of(err)), "; "))
		}
		var b strings.Builder
		switch {
		case a.ui.JSON:
			if err := json.NewEncoder(&b).Encode(r); err != nil {
				return err
			}
		case clear:
			// Home, the screen, and each line's rest: nothing flickers.
			var text strings.Builder
			r.Text(&text)
			b.WriteString("\x1b[H" + strings.ReplaceAll(text.String(), "\n", "\x1b[K\n") + "\x1b[J")
		default:
			if !first {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "%s\n", a.Now().Local().Format(time.DateTime))
			r.Text(&b)
		}
		if _, err := fmt.Fprint(a.Out, b.String()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}
