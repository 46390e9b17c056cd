package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/engine"
)

// errPort says that a port the stack needs is not to be had.
var errPort = errors.New("not free")

// checkPorts makes sure that the ports to publish are free, or ours already.
func (s *start) checkPorts(ctx context.Context) error {
	for _, port := range []int{s.d.cfg.HTTPSPort, s.d.cfg.HTTPPort} {
		if port == 0 || s.publishes(port) {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(s.d.cfg.Bind, strconv.Itoa(port)))
		if err == nil {
			l.Close()
			continue
		}
		if errors.Is(err, syscall.EACCES) {
			continue // a low port and no root: the engine can, and will say so otherwise
		}
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			return advice.With(fmt.Errorf("%s is no address of this host: %w", s.d.cfg.Bind, errPort), "change bind in %s", s.d.Path(compose.ConfigFile))
		}
		by := s.listener(ctx, port)
		if ours, err := s.comingUp(ctx, port, by); err != nil {
			return err
		} else if ours {
			continue
		}
		if by != "" {
			by = ": used by " + by
		}
		key := "https_port"
		if port == s.d.cfg.HTTPPort {
			key = "http_port"
		}
		return advice.With(fmt.Errorf("port %d is %w%s", port, errPort, by),
			"end what uses it, or change %s in %s", key, s.d.Path(compose.ConfigFile))
	}
	return nil
}

// publishes tells whether a container of this stack has a port already.
func (s *start) publishes(port int) bool {
	return slices.ContainsFunc(s.containers, func(c engine.Container) bool { return slices.Contains(c.Published, uint16(port)) })
}

// comingUp tells whether a port that is in use is about to be our own: a start
// that was killed or interrupted may go on in the engine, whose proxy listens a
// moment before the list of containers shows the port.
func (s *start) comingUp(ctx context.Context, port int, by string) (bool, error) {
	if by != "" && !strings.HasPrefix(by, "docker-proxy ") {
		return false, nil
	}
	for deadline := time.Now().Add(startingTimeout); ; {
		nginx, ok := find(s.containers, compose.ServiceNginx)
		if !ok || nginx.Running() || s.publishes(port) || time.Now().After(deadline) {
			return s.publishes(port), nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(knockEvery):
		}
		var err error
		if s.containers, err = s.engine.Containers(ctx, s.d.cfg.Project); err != nil {
			return false, err
		}
	}
}

// startingTimeout is how long a container may take from its proxy to its state
// "running".
const startingTimeout = 5 * time.Second

// listener says who listens on a port, as far as it can be known: a container,
// or a process where /proc may be read.
func (s *start) listener(ctx context.Context, port int) string {
	if found, err := s.engine.Publishing(ctx, port); err == nil && len(found) > 0 {
		c := found[0]
		if c.Project != "" {
			return fmt.Sprintf("container %s (Compose project %s)", c.Name, c.Project)
		}
		return "container " + c.Name
	}
	return listeningProcess("/proc", port)
}

// listeningProcess finds the process that listens on a TCP port: the socket's
// inode is in net/tcp, and a link to it among some process's open files.
func listeningProcess(proc string, port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		for _, inode := range listenInodes(filepath.Join(proc, table), port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob(filepath.Join(proc, "[0-9]*/fd/*"))
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && inodes[target] {
			pid := strings.Split(strings.TrimPrefix(fd, proc+"/"), "/")[0]
			name, _ := os.ReadFile(filepath.Join(proc, pid, "comm"))
			return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}

// listenInodes reads the inodes of listening sockets on a port from a table in
// the form of /proc/net/tcp (proc(5)): local address in field 1 as HEX:HEXPORT,
// state 0A in field 3, inode in field 9.
func listenInodes(table string, port int) []string {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []string
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == "0A" {
			out = append(out, fields[9])
		}
	}
	return out
}
