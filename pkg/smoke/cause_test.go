package smoke

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// What cannot be brought about on a loopback.
func TestClassifyNetwork(t *testing.T) {
	call := func(errno syscall.Errno) error {
		return fmt.Errorf("get: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)})
	}
	for _, c := range []struct {
		name string
		step string
		err  error
		want Cause
	}{
		{"no route to the host", StepConnect, call(syscall.EHOSTUNREACH), CauseUnreachable},
		{"no route to the network", StepConnect, call(syscall.ENETUNREACH), CauseUnreachable},
		{"kernel's own time-out", StepConnect, call(syscall.ETIMEDOUT), CauseConnectTimeout},
		{"reset during the push", StepPushImage, call(syscall.ECONNRESET), CauseClosed},
		{"broken pipe during the push", StepPushImage, call(syscall.EPIPE), CauseClosed},
		{"reset during the pull", StepPullImage, call(syscall.ECONNRESET), CauseTruncated},
		{"deadline", StepDelete, fmt.Errorf("a: %w", context.DeadlineExceeded), CauseTimeout},
		{"resolver that answers nonsense", StepConnect, &net.DNSError{Err: "server misbehaving"}, CauseName},
		{"anything else", StepConnect, errors.New("strange"), CauseOther},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := classify(c.step, c.err); got != c.want {
				t.Errorf("%v is %q, want %q", c.err, got, c.want)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	target := Target{Host: "[::1]:5000", Username: "ann", Password: "hush", Repository: "team/app"}
	fallback, _ := explain(StepConnect, CauseOther, target)
	for _, c := range []struct {
		step  string
		cause Cause
		hint  string
	}{
		{StepConnect, CauseUnreachable, "compare the DNS record with the addresses of the registry's host"},
		{StepPushImage, CauseInterrupted, ""},
		{StepConnect, CauseRefused, "regctl up"},
		{StepUpload, CauseRights, "regctl user grant ann --push team/app"},
		{StepPullImage, CauseRights, "regctl user grant ann --pull team/app"},
		{StepDelete, CauseRights, "regctl user grant ann --delete team/app"},
		{StepLogin, CauseCredentials, "regctl user check ann --password-stdin"},
	} {
		meaning, hint := explain(c.step, c.cause, target)
		if meaning == fallback || meaning == "" || hint != c.hint {
			t.Errorf("%s in %q: %q, hint %q, want hint %q", c.cause, c.step, meaning, hint, c.hint)
		}
	}
	if meaning, _ := explain(StepConnect, CauseRefused, target); !strings.Contains(meaning, "port 5000") {
		t.Errorf("a closed port is explained as %q", meaning)
	}
}

func TestTargetHidesPassword(t *testing.T) {
	target := Target{Host: "registry.test", Username: "ann", Password: "hush"}
	for _, s := range []string{fmt.Sprint(target), fmt.Sprintf("%+v", target), fmt.Sprintf("%#v", target), fmt.Sprintf("%v", &target)} {
		if strings.Contains(s, "hush") {
			t.Errorf("the password is in %q", s)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct{ host, address, name string }{
		{"registry.test", "registry.test:443", "registry.test"},
		{"registry.test:8443", "registry.test:8443", "registry.test"},
		{"192.0.2.1", "192.0.2.1:443", "192.0.2.1"},
		{"[2001:db8::1]", "[2001:db8::1]:443", "2001:db8::1"},
		{"[2001:db8::1]:8443", "[2001:db8::1]:8443", "2001:db8::1"},
	} {
		if got := hostPort(c.host); got != c.address {
			t.Errorf("hostPort(%q) is %q", c.host, got)
		}
		if got := hostName(c.host); got != c.name {
			t.Errorf("hostName(%q) is %q", c.host, got)
		}
		if _, err := (Target{Host: c.host, Username: "a", Password: "b"}).complete(); err != nil {
			t.Error(err)
		}
	}
}
