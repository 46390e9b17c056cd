package smoke

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// When a context ends, what surfaces may be an error of whatever was under way.
func TestStepEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit time.Duration
		end   bool // the caller's context ends
		is    error
		cause Cause
	}{
		{"by the caller", time.Hour, true, context.Canceled, CauseInterrupted},
		{"by its time-out", time.Nanosecond, false, context.DeadlineExceeded, CauseTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := &run{}
			err := r.step(ctx, StepDelete, c.limit, func(ctx context.Context) (string, error) {
				if c.end {
					cancel()
				}
				<-ctx.Done()
				return "", net.ErrClosed
			})
			if !errors.Is(err, c.is) || !errors.Is(err, net.ErrClosed) || r.result.Steps[0].Cause != c.cause {
				t.Errorf("%v, %+v", err, r.result.Steps[0])
			}
		})
	}
}
