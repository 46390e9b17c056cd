package main

import (
	"context"
	"net"
	"time"
)

// far is a connection over a line with latency and without any limit of
// bandwidth: what goes in comes out later, however much is on its way.
//
// It sits in this program, below TLS, and not in a proxy of its own, which would
// copy every byte through two more sockets on the cores that are measured.
type far struct {
	net.Conn
	oneWay   time.Duration
	out, in  chan parcel
	left     []byte // of the parcel that is being read
	err      error  // that ended reading
	sent     chan error
	sentLast error
}

type parcel struct {
	data []byte
	due  time.Time
	err  error
}

// onTheWay is how many parcels a direction holds: of 64 KiB and more each, so
// over 10 GB/s at 20 ms.
const onTheWay = 4096

// distant makes a door's connections far: rtt more for each question and answer.
func (d door) distant(rtt time.Duration) *door {
	near := d.dial
	d.dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := near(ctx)
		if err != nil {
			return nil, err
		}
		time.Sleep(rtt) // TCP's own handshake
		return newFar(conn, rtt/2), nil
	}
	return &d
}

func newFar(conn net.Conn, oneWay time.Duration) *far {
	f := &far{Conn: conn, oneWay: oneWay, out: make(chan parcel, onTheWay), in: make(chan parcel, onTheWay), sent: make(chan error, 1)}
	go f.send()
	go f.receive()
	return f
}

func (f *far) send() {
	for p := range f.out {
		time.Sleep(time.Until(p.due))
		if _, err := f.Conn.Write(p.data); err != nil {
			f.sent <- err
			return
		}
	}
}

func (f *far) receive() {
	defer close(f.in)
	for {
		buf := make([]byte, 64<<10)
		n, err := f.Conn.Read(buf)
		f.in <- parcel{buf[:n], time.Now().Add(f.oneWay), err}
		if err != nil {
			return
		}
	}
}

func (f *far) Write(p []byte) (int, error) {
	if f.sentLast != nil {
		return 0, f.sentLast
	}
	select {
	case f.sentLast = <-f.sent:
		return 0, f.sentLast
	case f.out <- parcel{append([]byte(nil), p...), time.Now().Add(f.oneWay), nil}:
		return len(p), nil
	}
}

func (f *far) Read(p []byte) (int, error) {
	for len(f.left) == 0 {
		if f.err != nil {
			return 0, f.err
		}
		got := <-f.in
		time.Sleep(time.Until(got.due))
		f.left, f.err = got.data, got.err
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

// Close ends the connection at once. It is called by whoever writes, after the
// last Write.
func (f *far) Close() error {
	close(f.out)
	return f.Conn.Close()
}
