package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRunHook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "hook")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1 $X\"\npwd\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := runHook(t.Context(), dir, []string{"./hook", "a b"}, []string{"X=y", "PATH=/usr/bin:/bin"}, time.Minute)
	if err != nil || out != "a b y\n"+dir+"\n" {
		t.Errorf("got %q, %v", out, err)
	}
	if out, err := runHook(t.Context(), dir, []string{"sh", "-c", "echo no >&2; exit 7"}, nil, time.Minute); err == nil || out != "no\n" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := runHook(t.Context(), dir, []string{"/no/such/program"}, nil, time.Minute); err == nil {
		t.Error("a program that is not there ran")
	}
	out, err = runHook(t.Context(), dir, []string{"sh", "-c", "yes | head -c 300000; echo end"}, nil, time.Minute)
	if err != nil || len(out) > maxHookOutput || !strings.HasSuffix(out, "end\n") {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
}

// A hook that does not end is ended, with what it has started.
func TestHookWithoutEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mark := filepath.Join(dir, "mark")
	began := time.Now()
	_, err := runHook(t.Context(), dir, []string{"sh", "-c", "(sleep 3; touch " + mark + ") & wait"}, nil, 200*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "ended after 200ms") || time.Since(began) > 3*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
	time.Sleep(4*time.Second - time.Since(began))
	if _, err := os.Stat(mark); err == nil {
		t.Error("what the hook has started goes on")
	}
	// One that leaves something running and ends itself is done.
	began = time.Now()
	if _, err := runHook(t.Context(), dir, []string{"sh", "-c", "sleep 8 & exit 0"}, nil, time.Minute); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := runHook(ctx, dir, []string{"sleep", "30"}, nil, time.Minute); err == nil || errors.Is(err, context.Canceled) && ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
}
