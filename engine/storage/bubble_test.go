package storage

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// TestSlowDiskInVirtualTime appends, syncs, retains and reads at once on a disk
// whose calls sleep: in a bubble, virtual time must go on.
func TestSlowDiskInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		o := testOptions(disk)
		o.Config.RetentionBytes = 4000
		l, _, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		disk.Inject(vfs.Fault{Op: vfs.OpWrite, Delay: 10 * time.Millisecond})
		disk.Inject(vfs.Fault{Op: vfs.OpSync, Delay: 2 * time.Second})
		start := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for range 20 {
					b := batch.NewBuilder(batch.BuilderOptions{Codec: batch.Zstd})
					b.Append(time.Now().UnixMilli(), []byte("k"), make([]byte, 100), nil)
					raw := b.Build()
					if _, err := batch.Validate(raw, o.Config.Limits(time.Now())); err != nil {
						t.Error(err)
					}
					if _, err := l.Append(raw, AppendOptions{Now: time.Now()}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() {
			for range 4 {
				time.Sleep(100 * time.Millisecond) // appends go on
				if _, err := l.Sync(); err != nil {
					t.Error(err)
				}
				if _, err := l.Retain(time.Now(), l.Synced()); err != nil {
					t.Error(err)
				}
				if _, err := l.Read(nil, l.Start(), l.End(), 1000, true); err != nil {
					t.Error(err)
				}
			}
		})
		all.Wait()
		if l.End() != 60 || time.Since(start) < 2*time.Second {
			t.Errorf("the log ends at %d after %v", l.End(), time.Since(start))
		}
		if err := l.Close(true); err != nil {
			t.Fatal(err)
		}
	})
}
