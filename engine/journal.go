package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/logarium/logarium/engine/journal"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/vfs"
)

// journalDir is the folder of the journal in the data folder.
const journalDir = "journal"

// openJournal opens the journal that all brokers share, where the durability
// needs one, or where an earlier run with another durability left one.
func (e *Engine) openJournal(context.Context) error {
	needed := e.cfg.Durability == replica.Group || e.cfg.Durability == replica.Always
	disk, err := e.journalDisk(needed)
	if err != nil {
		return &DataError{Dir: e.cfg.DataDir, Err: err}
	}
	if disk == nil {
		return nil
	}
	j, err := journal.Open(journal.Config{
		FS: disk, EachAlone: e.cfg.Durability == replica.Always, Checkpoint: e.syncLogs, Hub: e.cfg.Events, Logger: e.log,
	})
	if err != nil {
		return &DataError{Dir: e.cfg.DataDir, Err: err}
	}
	e.journal = j
	if err := j.Start(); err != nil {
		return &DataError{Dir: e.cfg.DataDir, Err: err}
	}
	return nil
}

// journalDisk is the journal's folder, nil if there is none and none is needed.
func (e *Engine) journalDisk(needed bool) (vfs.FS, error) {
	if e.cfg.Memory {
		return nil, nil
	}
	if e.onDisk() {
		root, err := vfs.OS(e.cfg.DataDir)
		if err != nil {
			return nil, err
		}
		if _, err := root.Stat(journalDir); errors.Is(err, fs.ErrNotExist) && !needed {
			return nil, nil
		}
		return vfs.OS(filepath.Join(e.cfg.DataDir, journalDir))
	}
	disk, err := e.cfg.FS(0)
	if err != nil {
		return nil, err
	}
	if _, err := disk.Stat(journalDir); errors.Is(err, fs.ErrNotExist) && !needed {
		return nil, nil
	}
	if err := errors.Join(disk.MkdirAll(journalDir), disk.SyncDir(".")); err != nil {
		return nil, err
	}
	return vfs.Sub(disk, journalDir), nil
}

// closeJournal closes it, after all logs. With clean they are all synced.
func (e *Engine) closeJournal(clean bool) error {
	if e.journal == nil {
		return nil
	}
	return e.journal.Close(clean)
}

// syncLogs syncs the logs of what the journal is to release, on every broker
// that somebody counts on. What a broker may lack that is down, or has not put
// back yet what the journal has, is kept for as long as it is in the ISR or the
// ELR, which it leaves if there is anybody else.
func (e *Engine) syncLogs(ctx context.Context, marks []journal.Mark) error {
	var img *metadata.Image
	all := true
	for _, n := range e.nodes {
		c := n.controller.Load()
		all = all && c != nil && e.replicas(n.id) != nil
		if c != nil && (img == nil || c.Image().Offset() > img.Offset()) {
			img = c.Image()
		}
	}
	kept := &journal.Unsynced{}
	for _, m := range marks {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if img == nil {
			kept.Marks, kept.Err = append(kept.Marks, m), errors.New("every broker is down")
			continue
		}
		if err := e.syncLog(img, m, all); err != nil {
			kept.Marks, kept.Err = append(kept.Marks, m), err
		}
	}
	for _, n := range e.nodes {
		if set := e.replicas(n.id); set != nil {
			if err := set.Checkpoint(); err != nil {
				return fmt.Errorf("writing the recovery points of broker %d: %w", n.id, err)
			}
		}
	}
	if len(kept.Marks) > 0 {
		return kept
	}
	return nil
}

// syncLog syncs the replicas of one partition. all says that every broker runs.
func (e *Engine) syncLog(img *metadata.Image, m journal.Mark, all bool) error {
	id := metadata.UUID(m.Topic)
	t := img.TopicByID(id)
	if t == nil || int(m.Partition) >= len(t.Partitions) {
		if !all {
			return errors.New("it may have been made on a broker that is down")
		}
		return nil // deleted
	}
	p := &t.Partitions[m.Partition]
	next := m.Next
	if leader := e.replicas(p.Leader); leader != nil {
		if end, ok := leader.EndOf(id, m.Partition); ok {
			next = min(next, end) // the rest was never committed and is gone
		}
	}
	for _, b := range p.Replicas {
		// Those that may lead, without another that has it all.
		counts := slices.Contains(p.ISR, b) || slices.Contains(p.ELR, b) || slices.Contains(p.LastKnownELR, b) || p.Leader == metadata.NoLeader
		set := e.replicas(b)
		var err error
		if set == nil {
			err = fmt.Errorf("broker %d is down", b)
		} else {
			err = set.SyncThrough(id, m.Partition, next)
		}
		if err != nil && counts {
			return err
		}
	}
	return nil
}

// replicas are those of a broker, nil while it is down or starts.
func (e *Engine) replicas(id int32) *replica.Set {
	if id < 1 || int(id) > len(e.nodes) {
		return nil
	}
	n := e.nodes[id-1]
	if state, _ := n.current(); state == Starting {
		return nil
	}
	return n.replicas.Load()
}
