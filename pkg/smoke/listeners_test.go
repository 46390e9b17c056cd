package smoke_test

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/smoke"
)

// short is the time-out of the cases that run into one.
const short = 300 * time.Millisecond

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// serve hands each connection to f until the test ends, and closes it then.
func serve(t *testing.T, target *smoke.Target, f func(net.Conn)) {
	l := listen(t)
	target.DialAddr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go f(conn)
		}
	}()
}

// dialSpeaking aims at a server that reads what comes first, says words and
// closes. It must read, or the kernel resets the connection instead.
func dialSpeaking(words string) func(*testing.T, *smoke.Target) {
	return func(t *testing.T, target *smoke.Target) {
		serve(t, target, func(conn net.Conn) {
			io.ReadAtLeast(conn, make([]byte, 4096), 1)
			io.WriteString(conn, words)
			conn.Close()
		})
	}
}

// dialSilent aims at a server that accepts and never answers.
func dialSilent(t *testing.T, target *smoke.Target) {
	target.Timeout = short
	serve(t, target, func(net.Conn) {})
}

// dialFull aims at a port whose queue of connections is full, for which Linux
// drops further ones in silence, as a firewall does.
func dialFull(t *testing.T, target *smoke.Target) {
	target.Timeout = short
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	target.DialAddr = fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 16 {
		conn, err := net.DialTimeout("tcp", target.DialAddr, short)
		if err != nil {
			return
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the queue of connections does not fill up")
}
