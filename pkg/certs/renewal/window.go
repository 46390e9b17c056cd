package renewal

import "time"

// How often a CA is asked when to renew: as it says, within these bounds.
const (
	askEvery = 6 * time.Hour // when it does not say
	askLeast = time.Minute
	askMost  = 24 * time.Hour
)

// Asks says whether the CA is to be asked (again) when the certificate of that
// ARI identifier is to be renewed.
func (s State) Asks(certID string, now time.Time) bool {
	w := s.Window
	return w == nil || w.CertID != certID || !now.Before(w.AskAgain) || ahead(w.Asked, now)
}

// SetWindow notes what the CA answered. random, from 0 up to but not including 1,
// becomes the instant in the window at which to renew: drawn once for a window,
// since drawing anew at each run would come out before now sooner or later.
// Windows that make no sense are for the caller to refuse (acme.Issuer does).
func (s *State) SetWindow(certID string, start, end time.Time, explanation string, retryAfter time.Duration, now time.Time, random float64) {
	w := Window{CertID: certID, Start: start, End: end, Explanation: explanation, Asked: now, AskAgain: now.Add(bound(retryAfter))}
	if old := s.Window; old.known() && old.CertID == certID && old.Start.Equal(start) && old.End.Equal(end) {
		w.Draw = old.Draw
	} else {
		w.Draw = start.Add(time.Duration(random * float64(end.Sub(start))))
	}
	s.Window = &w
}

// NoWindow notes that the CA gave no answer that can be used. A window that it
// gave before stays.
func (s *State) NoWindow(certID, why string, retryAfter time.Duration, now time.Time) {
	w := Window{CertID: certID}
	if s.Window != nil && s.Window.CertID == certID {
		w = *s.Window
	}
	w.Asked, w.AskAgain, w.Error = now, now.Add(bound(retryAfter)), why
	s.Window = &w
}

func bound(d time.Duration) time.Duration {
	if d <= 0 {
		return askEvery
	}
	return min(max(d, askLeast), askMost)
}
