package retention

import (
	"fmt"
	"strings"
)

// ConsentError says that a plan takes so much that somebody has to agree to it.
type ConsentError struct {
	Repositories []string // those that would be without a tag
	Deleted      int      // tags that would go
	Total        int      // of all that there are, but for those that belong to an image
	MaxDelete    int      // percent that may go without consent; -1: so many do not go
}

func (e *ConsentError) Error() string {
	var parts []string
	if e.MaxDelete >= 0 {
		parts = append(parts, fmt.Sprintf("%d of %d tags, more than %d %%", e.Deleted, e.Total, e.MaxDelete))
	}
	if n := len(e.Repositories); n > 0 {
		const most = 3
		names := strings.Join(e.Repositories[:min(n, most)], ", ")
		if n > most {
			names += fmt.Sprintf(" and %d more", n-most)
		}
		parts = append(parts, "every tag of "+names)
	}
	return "retention would delete " + strings.Join(parts, ", and ")
}

// Consent returns a *ConsentError when the plan deletes every tag of a
// repository, or more of all tags than may go at once; nil otherwise.
func (p *Plan) Consent() error {
	e := &ConsentError{Deleted: p.Deleted, MaxDelete: -1}
	for i := 0; i < len(p.Decisions); {
		name, deleted, kept := p.Decisions[i].Repository, 0, 0
		for ; i < len(p.Decisions) && p.Decisions[i].Repository == name; i++ {
			switch {
			case p.Decisions[i].Delete:
				deleted++
			case !companion(p.Decisions[i].Name):
				kept++
			}
		}
		if e.Total += deleted + kept; deleted > 0 && kept == 0 {
			e.Repositories = append(e.Repositories, name)
		}
	}
	if p.Deleted*100 > p.maxDelete*e.Total {
		e.MaxDelete = p.maxDelete
	}
	if e.MaxDelete < 0 && len(e.Repositories) == 0 {
		return nil
	}
	return e
}
