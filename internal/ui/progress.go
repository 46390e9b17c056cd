package ui

import (
	"fmt"
	"time"
)

// Progress tells how far long work has come. On a terminal it rewrites one line;
// elsewhere, where lines pile up, it says each phase once.
type Progress struct {
	UI  *UI
	Now func() time.Time // nil: time.Now

	phase string
	shown time.Time
	width int
}

// progressEvery is how often the line is rewritten.
const progressEvery = 200 * time.Millisecond

// Show tells that a phase has done so many of its total, and so many bytes; a
// total of 0 is unknown, and so is a size. A note, which may be empty, comes last.
func (p *Progress) Show(phase string, done, total, bytes int64, note string) {
	if p.UI.Quiet || phase == "" {
		return
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	begins := phase != p.phase
	p.phase = phase
	if !p.live() {
		if begins {
			p.UI.Step("%s", phase)
		}
		return
	}
	if !begins && now().Sub(p.shown) < progressEvery && (total == 0 || done < total) {
		return
	}
	p.shown = now()
	text := phase
	switch {
	case total > 0:
		text += fmt.Sprintf(" %d of %d", done, total)
	case done > 0:
		text += fmt.Sprintf(" %d", done)
	}
	if bytes > 0 {
		text += ", " + Bytes(bytes)
	}
	if note != "" {
		text += ", " + note
	}
	fmt.Fprintf(p.UI.Err, "\r%-*s", p.width, text)
	p.width = len(text)
}

// End clears the line, so that what is said next begins on an empty one.
func (p *Progress) End() {
	if p.width > 0 {
		fmt.Fprintf(p.UI.Err, "\r%*s\r", p.width, "")
		p.width = 0
	}
	p.phase = ""
}

// live tells whether a line can be rewritten.
func (p *Progress) live() bool { return !p.UI.Plain && !p.UI.JSON && IsTerminal(p.UI.Err) }
