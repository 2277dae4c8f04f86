package replica

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/metadata"
)

// What a replica may take up in memory that nothing happens to, with all that
// its followers' sessions keep of it: three times this and the metadata for each
// partition, times 5,000, has to be far below 150 MB.
const idleReplicaBytes = 6 << 10

func TestIdle_ReplicasAreSmall(t *testing.T) {
	inRig(t, 3, Config{}, func(t *testing.T, r *rig) {
		const partitions = 2000
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		started := time.Now()
		id := metadata.NewUUID()
		recs := []metadata.Record{metadata.TopicRecord{ID: id, Name: "t"}}
		for i := range int32(partitions) {
			replicas := []int32{1 + i%3, 1 + (i+1)%3, 1 + (i+2)%3}
			recs = append(recs, metadata.PartitionRecord{TopicID: id, Partition: i, Leader: replicas[0], Replicas: replicas, ISR: replicas})
		}
		r.apply(recs...)
		time.Sleep(time.Minute)
		synctest.Wait()
		each := (heap() - before) / (3 * partitions)
		t.Logf("%d bytes for each replica, %v", each, time.Since(started))
		if each > idleReplicaBytes {
			t.Errorf("an idle replica takes %d bytes, it may take %d", each, idleReplicaBytes)
		}
		for _, s := range r.sets {
			if n := len(s.lag.parts); n > 0 {
				t.Errorf("broker %d watches %d partitions that nothing happens to", s.cfg.BrokerID, n)
			}
		}
	})
}
