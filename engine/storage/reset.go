package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/vfs"
)

// resetFile says that the log is being reset, and to which offset.
const resetFile = "reset-offset-checkpoint"

// Reset drops all that the log has and begins it anew at an offset, which is
// its start and its end from then on. A follower does this to a log that has
// nothing in common with its leader's, or that failed: after a reset without an
// error the log takes writes again, in new files.
//
// After a crash the log is as it was before or as it is after, never between.
// What the log knew of leader epochs and producers is dropped. A negative
// offset is OFFSET_OUT_OF_RANGE; when the disk fails, the error wraps
// KAFKA_STORAGE_ERROR, and the log is failed.
func (l *Log) Reset(offset int64) error {
	if offset < 0 {
		return fmt.Errorf("%w: resetting a log to %d", kerr.OffsetOutOfRange, offset)
	}
	l.admin.lock()
	defer l.admin.unlock()
	l.syncing.lock() // so that no sync of what is dropped fails the new log
	defer l.syncing.unlock()
	l.mu.lock()
	defer l.mu.unlock()
	if l.closed.Load() {
		return l.gone()
	}
	l.generation.Add(1)
	defer l.generation.Add(1)
	if err := l.reset(offset); err != nil {
		return l.fail("resetting the log", err)
	}
	l.failure.Store(nil)
	return nil
}

// reset does it, with all locks held and readers warned.
func (l *Log) reset(offset int64) error {
	if err := l.materialize(); err != nil {
		return err
	}
	if err := writeOffset(l.fs, l.dir, resetFile, offset); err != nil {
		return err
	}
	// From this sync on, recovery would go on with it; before, nothing has changed.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	if l.parentDirty {
		if err := l.fs.SyncDir(path.Dir(l.dir)); err != nil {
			return err
		}
	}
	l.releaseAll()
	l.setSegments(nil)
	stale := l.stale.widened(offset, l.synced.Load())
	l.appendable, l.namesDirty, l.parentDirty = false, false, false
	l.cleaned = 0
	l.sparse.Store(false)
	l.epochs.entries = nil
	l.producers.replace(nil)
	l.damage.forget()
	l.start.Store(offset)
	l.end.Store(offset)
	l.synced.Store(offset)
	l.dirty.Store(false)
	if err := finishReset(l.fs, l.remover, l.dir, offset, stale); err != nil {
		return err
	}
	l.stale = stale
	return nil
}

// finishReset makes the files what they are after a reset; a crash at any point
// leaves it to be done again.
func finishReset(disk vfs.FS, remover *Remover, dir string, offset int64, stale staleRange) error {
	names, err := disk.List(dir)
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(names) {
		_, _, ofOffset := parseName(name)
		if path.Ext(name) == corruptSuffix || !ofOffset && name != epochsFile && name != cleanerFile {
			continue
		}
		name = path.Join(dir, name)
		if path.Ext(name) == logSuffix { // large ones are not deleted while everybody waits
			if err := disk.Rename(name, name+deletedSuffix); err != nil {
				return err
			}
			if err := remover.remove(disk, name+deletedSuffix); err != nil {
				return err
			}
			continue
		}
		// The others at once: new ones may soon have the same names.
		if err := disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := writeOffset(disk, dir, logStartFile, offset); err != nil {
		return err
	}
	if err := stale.save(disk, dir); err != nil {
		return err
	}
	if err := disk.SyncDir(dir); err != nil {
		return err
	}
	if err := disk.Remove(path.Join(dir, resetFile)); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}

// finishReset goes on with a reset that a crash interrupted.
func (r *recovery) finishReset(names []string) error {
	l := r.log
	if !slices.Contains(names, resetFile) {
		return nil
	}
	offset, err := readOffset(l.fs, l.dir, resetFile)
	if errors.Is(err, errBadCheckpoint) {
		// What is left of the segments is the older part of them, which is right.
		l.warn("checkpoint left aside: "+resetFile, err)
		return l.fs.Remove(path.Join(l.dir, resetFile))
	}
	if err != nil {
		return err
	}
	stale, err := readStale(l.fs, l.dir)
	if err != nil {
		l.warn("checkpoint left aside: "+truncationFile, err)
	}
	return finishReset(l.fs, nil, l.dir, offset, stale.widened(offset, max(r.options.RecoveryPoint, offset)))
}
