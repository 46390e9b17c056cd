package cli

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestListeningProcess(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", ":0"} { // the second is in net/tcp6 where there is IPv6
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		want := fmt.Sprintf("%s (pid %d)", contents(t, "/proc/self/comm"), os.Getpid())
		if got := listeningProcess("/proc", port); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got := listeningProcess("/proc", port); got != "" {
			t.Errorf("%s, closed: %q", address, got)
		}
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data[:len(data)-1])
}

func TestListenInodes(t *testing.T) {
	table := filepath.Join(t.TempDir(), "tcp")
	err := os.WriteFile(table, []byte(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   1: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0
   2: 0100007F:01BB 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 103 1 0 100 0 0 10 0
   3: 0100007F:A1B2 0100007F:01BB 0A 00000000:00000000 00:00000000 00000000     0        0 104 1 0 100 0 0 10 0
   4: 01BB0000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 105 1 0 100 0 0 10 0
   5: 00000000:01BB
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[int][]string{443: {"101", "102"}, 80: {"105"}, 0xA1B2: {"104"}, 8443: nil} {
		if got := listenInodes(table, port); !slices.Equal(got, want) {
			t.Errorf("port %d: %q, want %q", port, got, want)
		}
	}
	if got := listenInodes(filepath.Join(t.TempDir(), "missing"), 443); got != nil {
		t.Errorf("without a table: %q", got)
	}
}
