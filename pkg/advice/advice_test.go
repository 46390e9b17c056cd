package advice

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestOf(t *testing.T) {
	plain := errors.New("port 443 is taken")
	inner := With(plain, "choose another")
	tests := map[string]struct {
		err  error
		text string
		hint string
	}{
		"none":            {plain, "port 443 is taken", ""},
		"one":             {inner, "port 443 is taken", "choose another"},
		"formatted":       {With(plain, "regctl up -C %s", "/d"), "port 443 is taken", "regctl up -C /d"},
		"percent as such": {With(plain, "printf %%s"), "port 443 is taken", "printf %s"},
		"wrapped":         {fmt.Errorf("starting: %w", inner), "starting: port 443 is taken", "choose another"},
		// Who is nearer to the command knows better what to type.
		"outer wins":    {With(fmt.Errorf("starting: %w", inner), "ask"), "starting: port 443 is taken", "ask"},
		"of the joined": {errors.Join(errors.New("first"), inner), "first\nport 443 is taken", "choose another"},
		"flattened":     {fmt.Errorf("starting: %v", inner), "starting: port 443 is taken", ""},
	}
	for name, tt := range tests {
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("%s: the text is %q, want %q: a hint is not part of it", name, got, tt.text)
		}
		if got := Of(tt.err); got != tt.hint {
			t.Errorf("%s: the hint is %q, want %q", name, got, tt.hint)
		}
	}
}

func TestNil(t *testing.T) {
	if err := With(nil, "do this"); err != nil {
		t.Errorf("With(nil) = %v: a success turned into an error", err)
	}
	if hint := Of(nil); hint != "" {
		t.Errorf("Of(nil) = %q", hint)
	}
}

func TestErrorBelowIsFound(t *testing.T) {
	err := With(fmt.Errorf("reading: %w", &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrNotExist}), "make it")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the sentinel below is not found")
	}
	if path := new(fs.PathError); !errors.As(err, &path) || path.Path != "/x" {
		t.Error("the type below is not found")
	}
}
