package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/vfs"
)

// openDisks locks the data folder and opens each broker's part of it.
func (e *Engine) openDisks(context.Context) error {
	if e.onDisk() {
		root, err := vfs.OS(e.cfg.DataDir)
		if err != nil {
			return &DataError{Dir: e.cfg.DataDir, Err: err}
		}
		if e.lock, err = root.Lock(lockFile); err != nil {
			return &DataError{Dir: e.cfg.DataDir, Err: err}
		}
	}
	for _, n := range e.nodes {
		if err := n.openDisk(); err != nil {
			return err
		}
	}
	return nil
}

// onDisk says whether the data is in folders of the operating system.
func (e *Engine) onDisk() bool { return e.cfg.FS == nil && !e.cfg.Memory }

// openDisk opens the node's folder. In memory it is the same one in each of its
// lives; Config.FS is asked each time.
func (n *node) openDisk() error {
	e := n.engine
	var err error
	switch {
	case e.cfg.FS != nil:
		n.fs, err = e.cfg.FS(n.id)
	case !e.cfg.Memory:
		n.fs, err = vfs.OS(e.logDir(n.id))
	case n.fs == nil:
		n.fs = vfs.NewMem()
	}
	if err != nil {
		return &DataError{Dir: e.cfg.DataDir, Err: err}
	}
	return nil
}

// logDir is the folder of a broker, absolute where that can be told, empty in
// memory.
func (e *Engine) logDir(id int32) string {
	if e.cfg.DataDir == "" || e.cfg.Memory {
		return ""
	}
	dir := filepath.Join(e.cfg.DataDir, fmt.Sprintf("broker-%d", id))
	if absolute, err := filepath.Abs(dir); err == nil {
		return absolute
	}
	return dir
}

// prepare makes the metadata logs fit the voters, while nothing runs, and finds
// the voter that is to stand for election. Data of more brokers than are to run
// is refused before anything is changed.
func (e *Engine) prepare(context.Context) error {
	var members []controller.Member
	for _, n := range e.nodes {
		members = append(members, controller.Member{ID: n.id, FS: n.fs, Dir: metadataDir})
	}
	absent, err := e.absentMembers()
	if err != nil {
		return &DataError{Dir: e.cfg.DataDir, Err: err}
	}
	found, err := controller.Prepare(append(members, absent...), e.voters())
	if err != nil {
		return &DataError{Dir: e.cfg.DataDir, Err: err}
	}
	e.fresh, e.campaign = found.Image == nil, found.Campaign
	return nil
}

// absentMembers are the brokers of earlier runs that have data and are not to
// run now.
func (e *Engine) absentMembers() (out []controller.Member, err error) {
	if !e.onDisk() {
		return nil, nil
	}
	root, err := vfs.OS(e.cfg.DataDir)
	if err != nil {
		return nil, err
	}
	for id := int32(e.cfg.Brokers + 1); id <= MaxBrokers; id++ {
		dir := e.logDir(id)
		if _, err := root.Stat(filepath.Base(dir)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		disk, err := vfs.OS(dir)
		if err != nil {
			return nil, err
		}
		out = append(out, controller.Member{ID: id, FS: disk, Dir: metadataDir, Absent: true})
	}
	return out, nil
}
