package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// connects, in the environment, makes the test program a process that connects
// to the engine and prints the error.
const connects = "REGCTL_TEST_CONNECTS"

func TestMain(m *testing.M) {
	// Nothing of the machine's own Docker is to be met.
	for _, name := range []string{"DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_CONTEXT"} {
		os.Unsetenv(name)
	}
	if os.Getenv(connects) == "" {
		os.Exit(m.Run())
	}
	_, err := Connect(context.Background())
	fmt.Printf("%v\n%v\n%s\n", errors.Is(err, ErrUnavailable), err, advice.Of(err))
	os.Exit(0)
}

func TestUnavailable(t *testing.T) {
	tests := map[string]struct {
		host func(t *testing.T) string
		says string // %s is the socket
		hint string
	}{
		"no socket": {
			host: func(t *testing.T) string { return filepath.Join(shortDir(t), "s") },
			says: "there is no socket at %s", hint: "systemctl start docker",
		},
		"no directory": {
			host: func(t *testing.T) string { return filepath.Join(shortDir(t), "d", "s") },
			says: "there is no socket at %s", hint: "install Docker Engine",
		},
		"left behind by a daemon that ended": {
			host: func(t *testing.T) string {
				path := filepath.Join(shortDir(t), "s")
				l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
				if err != nil {
					t.Fatal(err)
				}
				l.SetUnlinkOnClose(false)
				l.Close()
				return path
			},
			says: "nothing listens on %s", hint: "systemctl start docker",
		},
		"a file": {
			host: func(t *testing.T) string {
				path := filepath.Join(shortDir(t), "s")
				if err := os.WriteFile(path, nil, 0o666); err != nil {
					t.Fatal(err)
				}
				return path
			},
			says: "nothing listens on %s", hint: "systemctl start docker",
		},
		"not an engine": {
			host: func(t *testing.T) string {
				return startFake(t, "", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }).socket
			},
			says: "docker engine not available: ", hint: "docker version",
		},
		"not HTTP": {
			host: func(t *testing.T) string {
				path := filepath.Join(shortDir(t), "s")
				l, err := net.Listen("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close() })
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						io.WriteString(c, "SSH-2.0-x\r\n")
						c.Close()
					}
				}()
				return path
			},
			says: "docker engine not available: ", hint: "docker version",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := tt.host(t)
			t.Setenv("DOCKER_HOST", "unix://"+path)
			_, err := Connect(t.Context())
			if !errors.Is(err, ErrUnavailable) {
				t.Fatalf("error %v", err)
			}
			if want := strings.Replace(tt.says, "%s", path, 1); !strings.Contains(err.Error(), want) {
				t.Errorf("error %q, want %q", err, want)
			}
			if !strings.Contains(advice.Of(err), tt.hint) {
				t.Errorf("hint %q, want %q", advice.Of(err), tt.hint)
			}
		})
	}
}

func TestHostThatIsNone(t *testing.T) {
	for _, host := range []string{"nonsense", "nope://x", "tcp://127.0.0.1:1"} {
		t.Setenv("DOCKER_HOST", host)
		if _, err := Connect(t.Context()); !errors.Is(err, ErrUnavailable) || advice.Of(err) == "" {
			t.Errorf("%s: error %v, hint %q", host, err, advice.Of(err))
		}
	}
}

// A socket that only another user and group may use, seen by somebody else.
func TestNoPermission(t *testing.T) {
	dir := shortDir(t)
	socket, program := filepath.Join(dir, "s"), filepath.Join(dir, "program")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(socket, 0o000); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// The test program lies where only its owner comes.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), connects+"=1", "DOCKER_HOST=unix://"+socket)
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(string(out), "\n")
	if lines[0] != "true" || lines[1] != "docker engine not available: no permission to use "+socket || !strings.Contains(lines[2], "usermod -aG docker") {
		t.Errorf("got %q", lines)
	}
}

// An engine that accepts and never answers, and one that does not even accept.
func TestHangingEngine(t *testing.T) {
	silent := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over := make(chan struct{})
	defer close(over)
	accepting := startFake(t, "", hang(over)).socket
	for name, path := range map[string]string{"not accepting": silent, "not answering": accepting} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DOCKER_HOST", "unix://"+path)
			began := time.Now()
			_, err := connect(t.Context(), 200*time.Millisecond)
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "does not answer within 200ms") || !strings.Contains(advice.Of(err), "systemctl status docker") {
				t.Errorf("error %v, hint %q", err, advice.Of(err))
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			if _, err := Connect(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
				t.Errorf("interrupted: error %v", err)
			}
		})
	}
}

func TestNegotiation(t *testing.T) {
	for _, tt := range []struct{ engine, want string }{
		{"1.41", "1.41"}, {"1.44", "1.44"}, {"1.99", newest(t)},
	} {
		t.Run(tt.engine, func(t *testing.T) {
			f := startFake(t, tt.engine, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[]") })
			c := connected(t)
			if c.Version != tt.want {
				t.Errorf("speaks %s, want %s", c.Version, tt.want)
			}
			if _, err := c.Containers(t.Context(), "p"); err != nil {
				t.Fatal(err)
			}
			if got := f.called(); len(got) != 1 || got[0] != "GET /v"+tt.want+"/containers/json" {
				t.Errorf("called %q", got)
			}
		})
	}
}

// newest is the version that the client itself speaks.
func newest(t *testing.T) string {
	t.Helper()
	startFake(t, "9.99", nil)
	return connected(t).Version
}
