package engine

import (
	"net"
	"time"
)

// probe connects to a Unix socket and drops the connection: its error is the
// operating system's own.
func probe(path string) error {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}
