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
	began time.Time
	shown time.Time
	width int
}

// progressEvery is how often the line is rewritten.
const progressEvery = 200 * time.Millisecond

// Amount is how much of a phase is done. A total of 0 is unknown, and so is a
// size.
type Amount struct {
	Phase             string
	Done, Total       int64
	Bytes, BytesTotal int64
}

// Show tells how far the work has come. Where it is known how many bytes are to
// come, it adds the rate and the time that is left.
func (p *Progress) Show(a Amount) {
	phase, done, total, bytes, bytesTotal := a.Phase, a.Done, a.Total, a.Bytes, a.BytesTotal
	if p.UI.Quiet || phase == "" {
		return
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	begins := phase != p.phase
	p.phase = phase
	if begins {
		p.began = now()
	}
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
	if took := now().Sub(p.began).Seconds(); took > 1 && bytes > 0 && bytesTotal > 0 {
		rate := float64(bytes) / took
		left := time.Duration(float64(bytesTotal-bytes) / rate * float64(time.Second))
		text += fmt.Sprintf(" of %s, %s/s, %s left", Bytes(bytesTotal), Bytes(int64(rate)), left.Round(time.Second))
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
