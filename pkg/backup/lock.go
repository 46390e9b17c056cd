package backup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// A lock in the store is an object that its holder renews. Ages are told by the
// store's own clock, so that those of the hosts may disagree.
const (
	lockRenew = time.Minute
	// lockStale is the age without renewal at which a lock is nobody's.
	lockStale = 30 * time.Minute
)

// LockInfo says who holds a lock in a store.
type LockInfo struct {
	ID        string    `json:"id" doc:"its name"`
	Exclusive bool      `json:"exclusive" doc:"nobody else may be at work"`
	Host      string    `json:"host" doc:"where its holder runs"`
	PID       int       `json:"pid" doc:"there"`
	Command   string    `json:"command" doc:"what it does"`
	Started   time.Time `json:"started" doc:"time, by the holder's clock"`
	// Space tells whether a pid means the same here: boot and pid namespace.
	Space string `json:"space,omitempty" doc:"boot and namespace that the pid is of"`
	// Age is since it was renewed, by the store's clock.
	Age time.Duration `json:"-"`
}

// BusyError says that others are at work in a store.
type BusyError struct {
	Store  string
	Holder LockInfo
}

func (e *BusyError) Error() string {
	if e.Holder.Command == "" { // written on a full disk
		return fmt.Sprintf("%s is in use, last heard of %s ago", e.Store, e.Holder.Age.Round(time.Second))
	}
	return fmt.Sprintf("%s is in use: %q on %s, pid %d, last heard of %s ago", e.Store, e.Holder.Command, e.Holder.Host,
		e.Holder.PID, e.Holder.Age.Round(time.Second))
}

// ErrLockLost says that a lock was broken while it was held.
var ErrLockLost = errors.New("the lock in the backup store was broken by somebody")

// Lock is a held lock.
type Lock struct {
	s    *Store
	name string
	text []byte
	stop context.CancelCauseFunc
	done chan struct{}
}

// Locked takes the store's lock: shared for what adds or reads, exclusive for what
// removes. The context that it returns ends when the lock is lost.
func (s *Store) Locked(ctx context.Context, exclusive bool, command string) (context.Context, *Lock, error) {
	info := LockInfo{ID: rand.Text(), Exclusive: exclusive, Host: s.hostname(), PID: os.Getpid(), Command: command,
		Started: time.Now().UTC().Truncate(time.Second), Space: pidSpace()}
	text, err := json.Marshal(info)
	if err != nil {
		return nil, nil, err
	}
	l := &Lock{s: s, name: lockName(info), text: append(text, '\n'), done: make(chan struct{})}
	if err := l.write(ctx); err != nil {
		return nil, nil, err
	}
	// Written first and looked around after: of two at once at least one sees the other.
	others, err := s.Locks(ctx)
	if err == nil {
		for _, o := range others {
			if o.ID == info.ID || !exclusive && !o.Exclusive {
				continue
			}
			if o.dead() {
				err = s.Remove(ctx, lockName(o))
				continue
			}
			err = advice.With(&BusyError{s.String(), o}, "wait for it to end; if it did not end well, regctl backup unlock --from %s", s)
			break
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.Remove(context.WithoutCancel(ctx), l.name))
	}
	held, stop := context.WithCancelCause(ctx)
	l.stop = stop
	go l.renew(held)
	return held, l, nil
}

func lockName(i LockInfo) string {
	kind := "shared"
	if i.Exclusive {
		kind = "exclusive"
	}
	return locksDir + kind + "-" + i.ID + ".json"
}

func (l *Lock) write(ctx context.Context) error {
	// Nothing is flushed: a lock is in its place at once, and an error about the
	// objects of others would be lost here.
	err := put(ctx, l.s, l.name, l.text)
	if full(err) && len(l.text) > 0 {
		// Who makes room on a full disk needs a lock there, too. An empty file takes
		// no room, and its name says what matters.
		l.text = nil
		return l.write(ctx)
	}
	return err
}

// Check returns an error when the lock is not held any more.
func (l *Lock) Check(ctx context.Context) error {
	found := false
	err := l.s.List(ctx, locksDir, func(o Object) error {
		found = found || o.Name == l.name
		return nil
	})
	if err == nil && !found {
		err = ErrLockLost
	}
	return err
}

func (l *Lock) renew(ctx context.Context) {
	defer close(l.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lockRenew):
		}
		err := l.Check(ctx)
		if err == nil {
			err = l.write(ctx)
		}
		if errors.Is(err, ErrLockLost) {
			l.stop(err)
		}
		// Another failure passes, or shows in the work itself.
	}
}

// Release gives the lock up.
func (l *Lock) Release() error {
	l.stop(nil)
	<-l.done
	return l.s.Remove(context.Background(), l.name)
}

// Locks lists the locks in the store.
func (s *Store) Locks(ctx context.Context) ([]LockInfo, error) {
	var objects []Object
	var newest time.Time
	err := s.List(ctx, locksDir, func(o Object) error {
		objects = append(objects, o)
		if o.ModTime.After(newest) {
			newest = o.ModTime
		}
		return nil
	})
	var out []LockInfo
	for _, o := range objects {
		kind, id, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(o.Name, locksDir), ".json"), "-")
		if !ok || kind != "shared" && kind != "exclusive" {
			continue
		}
		info := LockInfo{}
		if text, err := readAll(ctx, s, o.Name, 64<<10); err == nil {
			_ = json.Unmarshal(text, &info) // its name says what matters
		}
		info.ID, info.Exclusive = id, kind == "exclusive"
		// The newest lock is that of whoever asks: now, by the store's clock.
		info.Age = newest.Sub(o.ModTime)
		out = append(out, info)
	}
	return out, err
}

// Unlock removes all locks: for a person who knows that nobody is at work.
func (s *Store) Unlock(ctx context.Context) ([]LockInfo, error) {
	locks, err := s.Locks(ctx)
	for _, l := range locks {
		err = errors.Join(err, s.Remove(ctx, lockName(l)))
	}
	return locks, err
}

// DropDead removes the locks of processes that are certainly gone, as far as this
// process can tell: a container cannot tell of the processes outside, so its host
// does this first.
func (s *Store) DropDead(ctx context.Context) error {
	locks, err := s.Locks(ctx)
	for _, l := range locks {
		if gone(l.Space, l.PID) {
			err = errors.Join(err, s.Remove(ctx, lockName(l)))
		}
	}
	return err
}

// dead tells a lock whose holder is certainly gone.
func (i LockInfo) dead() bool { return i.Age > lockStale || gone(i.Space, i.PID) }
