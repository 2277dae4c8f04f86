package netx_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/netx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// must fails the test for an error of a step that is not under test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connect opens a port on the server's network and a connection to it from the client's.
func connect(t *testing.T, server, client netx.Network, address string) (dialed, accepted net.Conn) {
	t.Helper()
	l, err := server.Listen(t.Context(), address)
	must(t, err)
	defer l.Close()
	dialed, err = client.Dial(t.Context(), l.Addr().String())
	must(t, err)
	accepted, err = l.Accept()
	must(t, err)
	t.Cleanup(func() {
		dialed.Close()
		accepted.Close()
	})
	return dialed, accepted
}

// networks are the implementations, each fresh.
func networks() map[string]netx.Network {
	return map[string]netx.Network{"os": netx.OS(), "mem": netx.NewMem(), "mem host": netx.NewMem().Host("a")}
}

func TestNetwork_Behaviour(t *testing.T) {
	tests := map[string]func(t *testing.T, network netx.Network){
		"bytes go both ways":                  bothWays,
		"closing delivers what was written":   closeDelivers,
		"half closed, the other half goes on": halfClose,
		"a read deadline":                     readDeadline,
		"a write deadline":                    writeDeadline,
		"closing frees a blocked read":        closeFreesRead,
		"closing frees a blocked accept":      closeFreesAccept,
		"nobody listens":                      nobodyListens,
		"a port is taken":                     portTaken,
		"a context that is over":              contextOver,
		"addresses that are none":             badAddresses,
		"writing to who has closed":           writeToClosed,
		"what is closed is closed":            closedIsClosed,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for kind, network := range networks() {
				t.Run(kind, func(t *testing.T) { test(t, network) })
			}
		})
	}
}

func bothWays(t *testing.T, network netx.Network) {
	a, b := connect(t, network, network, "127.0.0.1:0")
	if a.LocalAddr().String() != b.RemoteAddr().String() || b.LocalAddr().String() != a.RemoteAddr().String() {
		t.Errorf("addresses do not match: %v %v, %v %v", a.LocalAddr(), b.RemoteAddr(), b.LocalAddr(), a.RemoteAddr())
	}
	// More than any buffer holds, in both directions at once.
	there, back := bytes.Repeat([]byte("there"), 1_000_000), bytes.Repeat([]byte("back!"), 1_000_000)
	errs := make(chan error, 2)
	send := func(c net.Conn, p []byte) {
		_, err := c.Write(p)
		errs <- errors.Join(err, c.(interface{ CloseWrite() error }).CloseWrite())
	}
	go send(a, there)
	go send(b, back)
	got := make(chan []byte, 1)
	go func() {
		p, err := io.ReadAll(b)
		if err != nil {
			t.Error(err)
		}
		got <- p
	}()
	p, err := io.ReadAll(a)
	must(t, err)
	if !bytes.Equal(p, back) || !bytes.Equal(<-got, there) {
		t.Error("content differs")
	}
	must(t, errors.Join(<-errs, <-errs))
}

func closeDelivers(t *testing.T, network netx.Network) {
	a, b := connect(t, network, network, "127.0.0.1:0")
	_, err := a.Write([]byte("last words"))
	must(t, err)
	must(t, a.Close())
	got, err := io.ReadAll(b)
	if string(got) != "last words" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func halfClose(t *testing.T, network netx.Network) {
	a, b := connect(t, network, network, "127.0.0.1:0")
	must(t, a.(interface{ CloseWrite() error }).CloseWrite())
	if got, err := io.ReadAll(b); len(got) > 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing after CloseWrite: %v", err)
	}
	_, err := b.Write([]byte("answer"))
	must(t, err)
	must(t, b.Close())
	if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &netErr) && netErr.Timeout()
}

func readDeadline(t *testing.T, network netx.Network) {
	a, b := connect(t, network, network, "127.0.0.1:0")
	must(t, a.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	if _, err := a.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("a deadline to come: %v", err)
	}
	if _, err := a.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("a deadline in the past: %v", err)
	}
	must(t, a.SetReadDeadline(time.Time{}))
	read := make(chan error, 1)
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	must(t, a.SetReadDeadline(time.Unix(1, 0))) // set while it waits
	if err := <-read; !isTimeout(err) {
		t.Errorf("a deadline set while reading: %v", err)
	}
	must(t, a.SetDeadline(time.Time{}))
	_, err := b.Write([]byte("x"))
	must(t, err)
	if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("after the deadline was lifted: %d, %v", n, err)
	}
}

func writeDeadline(t *testing.T, network netx.Network) {
	a, _ := connect(t, network, network, "127.0.0.1:0")
	p := make([]byte, 64<<20)
	must(t, a.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
	if n, err := a.Write(p); !isTimeout(err) || n >= len(p) {
		t.Errorf("a peer that reads nothing: %d, %v", n, err)
	}
}

func closeFreesRead(t *testing.T, network netx.Network) {
	a, _ := connect(t, network, network, "127.0.0.1:0")
	read := make(chan error, 1)
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	must(t, a.Close())
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func closeFreesAccept(t *testing.T, network netx.Network) {
	l, err := network.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	accepted := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	must(t, l.Close())
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing again: %v", err)
	}
}

func nobodyListens(t *testing.T, network netx.Network) {
	l, err := network.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	var opErr *net.OpError
	if _, err := network.Dial(t.Context(), address); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &opErr) || opErr.Op != "dial" {
		t.Error(err)
	}
}

func portTaken(t *testing.T, network netx.Network) {
	l, err := network.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	if _, err := network.Listen(t.Context(), l.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v", err)
	}
	address := l.Addr().String()
	must(t, l.Close())
	again, err := network.Listen(t.Context(), address)
	must(t, err)
	must(t, again.Close())
}

func contextOver(t *testing.T, network netx.Network) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := network.Dial(ctx, "127.0.0.1:1"); err == nil {
		t.Error("dialled")
	}
}

func badAddresses(t *testing.T, network netx.Network) {
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1:x y", "203.0.113.7:1"} {
		if l, err := network.Listen(t.Context(), address); err == nil {
			l.Close()
			if address != "" {
				t.Errorf("listens on %q", address)
			}
		}
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:65536"} {
		if _, err := network.Dial(t.Context(), address); err == nil {
			t.Errorf("dialled %q", address)
		}
	}
}

func writeToClosed(t *testing.T, network netx.Network) {
	a, b := connect(t, network, network, "127.0.0.1:0")
	must(t, b.Close())
	must(t, a.SetWriteDeadline(time.Now().Add(10*time.Second)))
	for {
		_, err := a.Write(make([]byte, 1000))
		if err == nil {
			continue // the other side's word is still under way
		}
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		return
	}
}

func closedIsClosed(t *testing.T, network netx.Network) {
	a, _ := connect(t, network, network, "127.0.0.1:0")
	must(t, a.Close())
	_, readErr := a.Read(make([]byte, 1))
	_, writeErr := a.Write(make([]byte, 1))
	for call, err := range map[string]error{
		"Read": readErr, "Write": writeErr, "Close": a.Close(), "SetDeadline": a.SetDeadline(time.Now()),
		"CloseWrite": a.(interface{ CloseWrite() error }).CloseWrite(), "CloseRead": a.(interface{ CloseRead() error }).CloseRead(),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func TestMem_BackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netx.NewMem()
		a, b := connect(t, m, m, "127.0.0.1:0")
		const size = 10 << 20
		written := make(chan error, 1)
		go func() {
			_, err := a.Write(make([]byte, size))
			written <- err
		}()
		synctest.Wait()
		select {
		case err := <-written:
			t.Fatalf("10 MiB were written to a reader that does not read: %v", err)
		default:
		}
		if n, err := io.CopyN(io.Discard, b, size); err != nil {
			t.Fatal(n, err)
		}
		must(t, <-written)
	})
}

// transfer writes from a and returns how long it takes until b has all of it.
func transfer(t *testing.T, a, b net.Conn, size int) time.Duration {
	t.Helper()
	start := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := a.Write(make([]byte, size))
		done <- err
	}()
	_, err := io.CopyN(io.Discard, b, int64(size))
	must(t, err)
	must(t, <-done)
	return time.Since(start)
}

func TestMem_LatencyAndBandwidth(t *testing.T) {
	tests := []struct {
		name        string
		link        netx.Link
		size        int
		dial, there time.Duration
	}{
		{"perfect", netx.Link{}, 1 << 20, 0, 0},
		{"far", netx.Link{Latency: 50 * time.Millisecond}, 100, 100 * time.Millisecond, 50 * time.Millisecond},
		{"thin", netx.Link{Bandwidth: 1 << 20}, 3 << 20, 0, 3 * time.Second},
		{"far and thin", netx.Link{Latency: time.Second, Bandwidth: 1000}, 2000, 2 * time.Second, 3 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := netx.NewMem()
				m.SetLink("a", "b", test.link)
				start := time.Now()
				a, b := connect(t, m.Host("b"), m.Host("a"), "b:1")
				if took := time.Since(start); took != test.dial {
					t.Errorf("dialling took %v, want %v", took, test.dial)
				}
				if took := transfer(t, a, b, test.size); took.Round(time.Millisecond) != test.there {
					t.Errorf("%d bytes took %v, want %v", test.size, took, test.there)
				}
			})
		})
	}
}

func TestMem_CutHoldsAndHealingDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netx.NewMem()
		a, b := connect(t, m.Host("b"), m.Host("a"), "b:1")
		_, err := a.Write([]byte("before,"))
		must(t, err)
		m.SetLink("a", "b", netx.Link{Cut: true})
		_, err = a.Write([]byte("during"))
		must(t, err)
		must(t, a.Close())

		p := make([]byte, 100)
		if n, err := b.Read(p); string(p[:n]) != "before," || err != nil {
			t.Fatalf("what had arrived: %q, %v", p[:n], err)
		}
		must(t, b.SetReadDeadline(time.Now().Add(time.Hour)))
		if _, err := b.Read(p); !isTimeout(err) {
			t.Fatalf("through a cut: %v", err)
		}
		must(t, b.SetReadDeadline(time.Time{}))
		time.AfterFunc(time.Minute, m.Heal)
		start := time.Now()
		if got, err := io.ReadAll(b); string(got) != "during" || err != nil || time.Since(start) != time.Minute {
			t.Fatalf("after healing: %q, %v after %v", got, err, time.Since(start))
		}
	})
}

func TestMem_CutOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netx.NewMem()
		a, b := connect(t, m.Host("b"), m.Host("a"), "b:1")
		m.SetOneWay("a", "b", netx.Link{Cut: true})
		_, err := a.Write([]byte("x"))
		must(t, err)
		must(t, b.SetReadDeadline(time.Now().Add(time.Second)))
		if _, err := b.Read(make([]byte, 1)); !isTimeout(err) {
			t.Errorf("through the cut: %v", err)
		}
		_, err = b.Write([]byte("y"))
		must(t, err)
		if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("the way back: %d, %v", n, err)
		}
	})
}

func TestMem_NamesInLinks(t *testing.T) {
	tests := []struct {
		a, b string
		cut  bool // the link from a to b:1
	}{
		{"a", "b", true}, {"b", "a", true}, {"a", "b:1", true}, {"b:1", "a", true}, {"a", netx.AnyHost, true}, {netx.AnyHost, "b", true},
		{netx.AnyHost, netx.AnyHost, true}, {"a", "b:2", false}, {"a", "c", false}, {"c", netx.AnyHost, false}, {"b", "b", false},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			m := netx.NewMem()
			l, err := m.Host("b").Listen(t.Context(), ":1")
			must(t, err)
			defer l.Close()
			m.SetLink(test.a, test.b, netx.Link{Cut: true})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c, err := m.Host("a").Dial(ctx, "b:1")
			if cut := errors.Is(err, context.DeadlineExceeded); cut != test.cut {
				t.Errorf("%s to %s: %v", test.a, test.b, err)
			}
			if err == nil {
				must(t, c.Close())
			}
		})
	}
}

func TestMem_OwnHostIsNotAnyHost(t *testing.T) {
	m := netx.NewMem()
	m.SetLink("a", netx.AnyHost, netx.Link{Cut: true})
	a, b := connect(t, m.Host("a"), m.Host("a"), "127.0.0.1:0")
	transfer(t, a, b, 10)
}

func TestMem_DialWaitsForTheEndOfACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netx.NewMem()
		m.SetLink("a", "b", netx.Link{Cut: true})
		time.AfterFunc(time.Minute, func() { m.SetLink("a", "b", netx.Link{Latency: time.Second}) })
		start := time.Now()
		connect(t, m.Host("b"), m.Host("a"), "b:1")
		if took := time.Since(start); took != time.Minute+2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestMem_Refuse(t *testing.T) {
	m := netx.NewMem()
	l, err := m.Host("b").Listen(t.Context(), "b:1")
	must(t, err)
	defer l.Close()
	m.SetLink("a", "b:1", netx.Link{Refuse: true})
	if _, err := m.Host("a").Dial(t.Context(), "b:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	c, err := m.Host("c").Dial(t.Context(), "b:1")
	must(t, err)
	must(t, c.Close())
}

func TestMem_Reset(t *testing.T) {
	m := netx.NewMem()
	a, b := connect(t, m.Host("b"), m.Host("a"), "b:1")
	c, d := connect(t, m.Host("b"), m.Host("c"), "b:2")
	read := make(chan error, 1)
	go func() {
		_, err := b.Read(make([]byte, 1))
		read <- err
	}()
	if n := m.Reset("a", "b"); n != 1 {
		t.Errorf("%d connections were reset", n)
	}
	_, readErr := a.Read(make([]byte, 1))
	_, writeErr := a.Write([]byte("x"))
	for call, err := range map[string]error{"a blocked read": <-read, "read": readErr, "write": writeErr} {
		if !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(err.Error(), "connection reset") {
			t.Errorf("%s: %v", call, err)
		}
	}
	transfer(t, c, d, 10)
	if n := m.Reset(netx.AnyHost, "b"); n != 1 {
		t.Errorf("%d connections were left to reset", n)
	}
}

func TestMem_ClosedListenerResetsWhatItDidNotAccept(t *testing.T) {
	m := netx.NewMem()
	l, err := m.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	c, err := m.Dial(t.Context(), l.Addr().String())
	must(t, err)
	defer c.Close()
	must(t, l.Close())
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

func TestMem_FullBacklogWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netx.NewMem()
		l, err := m.Listen(t.Context(), "127.0.0.1:0")
		must(t, err)
		defer l.Close()
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			c, err := m.Dial(ctx, l.Addr().String())
			cancel()
			if err == nil {
				defer c.Close()
				continue
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			return
		}
	})
}

func BenchmarkMem_RoundTrip(b *testing.B) {
	m := netx.NewMem()
	l, err := m.Listen(b.Context(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err := m.Dial(b.Context(), l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(server, server) // ends when the client closes, with nothing to be said about it
		server.Close()
	}()
	p := make([]byte, 1000)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := client.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, p); err != nil {
			b.Fatal(err)
		}
	}
}
