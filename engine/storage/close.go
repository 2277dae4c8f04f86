package storage

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/logarium/logarium/engine/vfs"
)

// removedSuffix marks the folder of a deleted log until it is gone.
const removedSuffix = "-delete"

// Close closes the log. With clean, everything is synced first, and what lets
// Open(Options{Clean: true}) do without reading the batches is written; if
// that fails, or the log had failed before, there is an error, and the next
// Open must not be told that the log is clean. Without clean nothing is
// written. Reads that are under way may finish.
func (l *Log) Close(clean bool) error {
	l.admin.lock()
	defer l.admin.unlock()
	if l.closed.Load() {
		return nil
	}
	var err error
	if clean {
		err = l.settleForClose()
	}
	l.mu.lock()
	defer l.mu.unlock()
	l.closed.Store(true)
	l.releaseAll()
	return err
}

// settleForClose writes what a clean start needs, and syncs.
func (l *Log) settleForClose() error {
	l.mu.lock()
	err := l.writable()
	if err == nil && l.active != nil {
		err = l.writeForClose()
	}
	l.mu.unlock()
	if err != nil {
		return err
	}
	_, err = l.Sync()
	return err
}

func (l *Log) writeForClose() error {
	if l.appendable {
		if err := l.writeIndexes(l.active); err != nil {
			return err
		}
	} else if err := l.indexActive(); err != nil {
		return err
	}
	return l.writeSnapshot(l.end.Load())
}

// indexActive writes the indexes of an active segment that was only read since
// the log was opened, unless they are there and right.
func (l *Log) indexActive() error {
	s := l.active
	if _, sum, err := readIndexes(l.fs, l.dir, s.base); err == nil && sum == s.summary() {
		return nil
	}
	if err := l.prepare(s.base, time.Now()); err != nil {
		return err
	}
	return l.writeIndexes(s)
}

// Delete closes the log and deletes its folder. The folder is renamed first, so
// that a crash leaves nothing that looks like a log; RemoveDeleted clears what
// it leaves.
func (l *Log) Delete() error {
	if err := l.Close(false); err != nil {
		return err
	}
	l.admin.lock()
	defer l.admin.unlock()
	if !l.exists {
		return nil
	}
	away := fmt.Sprintf("%s.%x%s", l.dir, l.topicID, removedSuffix)
	if _, err := l.fs.Stat(away); err == nil { // an earlier deletion was interrupted
		if err := l.fs.RemoveAll(away); err != nil {
			return storageError("deleting a log", err)
		}
	}
	if err := l.fs.Rename(l.dir, away); err != nil {
		return storageError("deleting a log", err)
	}
	l.exists = false
	if err := l.fs.SyncDir(path.Dir(l.dir)); err != nil {
		return storageError("deleting a log", err)
	}
	if err := l.remover.remove(l.fs, away); err != nil {
		return storageError("deleting a log", err)
	}
	return nil
}

// RemoveDeleted removes from the folder of all logs what a crash during Delete
// left.
func RemoveDeleted(fs vfs.FS, parent string) error {
	names, err := fs.List(parent)
	if err != nil {
		return storageError("listing the logs", err)
	}
	var failed error
	for _, name := range names {
		if strings.HasSuffix(name, removedSuffix) {
			failed = errors.Join(failed, fs.RemoveAll(path.Join(parent, name)))
		}
	}
	if failed != nil {
		return storageError("deleting a log", failed)
	}
	return nil
}
