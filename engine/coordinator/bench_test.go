package coordinator

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func loaded(b *testing.B) *bench {
	g := start(b, &memLog{})
	b.Cleanup(g.Close)
	for !g.shards[0].ready.Load() {
		runtime.Gosched()
	}
	return g
}

// BenchmarkHeartbeat is one heartbeat among 1,000 groups, through the mailbox
// and back.
func BenchmarkHeartbeat(b *testing.B) {
	g := loaded(b)
	var reqs []*kmsg.HeartbeatRequest
	for i := range 1000 {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.Generation = fmt.Sprint("g", i), 1
		req.MemberID = g.member(b.Context(), req.Group)
		reqs = append(reqs, req)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if code := g.Heartbeat(b.Context(), reqs[i%len(reqs)]).ErrorCode; code != 0 {
			b.Fatal(code)
		}
		i++
	}
}

// BenchmarkOffsetCommit is the commit of one partition, on a log in memory.
func BenchmarkOffsetCommit(b *testing.B) {
	g := loaded(b)
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		i++
		if code := g.commit(b.Context(), "g", -1, "", i); code != 0 {
			b.Fatal(code)
		}
		if i%1000 == 0 {
			g.log.mu.Lock()
			g.log.data = g.log.data[:0]
			g.log.mu.Unlock()
		}
	}
}
