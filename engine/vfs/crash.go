package vfs

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// ErrCrashed is what every call answers on a disk whose power was cut, and on
// files that were open on it.
var ErrCrashed = errors.New("the disk has crashed")

// CrashConfig says what a power cut does to what was not synced. The zero
// value loses nothing.
type CrashConfig struct {
	// LosePage is the chance, 0 to 1, that a page of 4 KiB written since the
	// last Sync is as it was at that Sync (zero where it did not exist).
	LosePage float64
	// TearPage is the chance that such a page is new up to, or from, a
	// boundary of 512 bytes, and old in the rest.
	TearPage float64
	// LoseSize is the chance that a length changed since the last Sync is the
	// old one, or for a file that grew any between the two.
	LoseSize float64
	// LoseName is the chance that a create, rename, mkdir or remove whose
	// folder was not synced since never happened.
	LoseName float64
}

// PowerCut is what disks do to those who forget to sync: some of everything.
func PowerCut() CrashConfig {
	return CrashConfig{LosePage: 0.4, TearPage: 0.2, LoseSize: 0.4, LoseName: 0.5}
}

// LoseAll loses everything that was not synced.
func LoseAll() CrashConfig {
	return CrashConfig{LosePage: 1, LoseSize: 1, LoseName: 1}
}

// slot is a name in a folder and what it stands for from now on, nil for nothing.
type slot struct {
	dir  *node
	name string
	to   *node
}

// place is a slot without what is in it.
type place struct {
	dir  *node
	name string
}

func (s slot) place() place { return place{s.dir, s.name} }

// change is one call that changed names: it survives a power cut as a whole or
// not at all, as on a file system with a journal.
type change struct{ slots []slot }

// rename carries out one change of names.
func (m *Mem) rename(slots ...slot) {
	for _, s := range slots {
		if s.to == nil {
			delete(s.dir.entries, s.name)
		} else {
			s.dir.entries[s.name] = s.to
		}
		s.dir.mod = time.Now()
	}
	if m.track {
		m.pending = append(m.pending, &change{slots})
	}
}

// persist makes a change part of what a power cut leaves.
func (c *change) persist() {
	for _, s := range c.slots {
		if s.to == nil {
			delete(s.dir.synced, s.name)
		} else {
			s.dir.synced[s.name] = s.to
		}
	}
}

// syncNames persists the pending changes of a folder's names, together with
// the earlier ones that they stand on.
func (m *Mem) syncNames(dir *node) {
	needed := map[place]bool{}
	var persisted, left []*change
	for _, c := range slices.Backward(m.pending) {
		if slices.ContainsFunc(c.slots, func(s slot) bool { return s.dir == dir || needed[s.place()] }) {
			persisted = append(persisted, c)
			for _, s := range c.slots {
				needed[s.place()] = true
			}
		} else {
			left = append(left, c)
		}
	}
	for _, c := range slices.Backward(persisted) {
		c.persist()
	}
	slices.Reverse(left)
	m.pending = left
}

// Crash cuts the power: m and all files open on it fail from now on, and the
// disk as it is found afterwards is returned, itself crashable. What was
// synced is there; what was not is up to cfg and rng, and with the same seed
// and the same calls before it is the same. It panics on a disk that NewMem
// made, which does not know what was synced.
func (m *Mem) Crash(rng *rand.Rand, cfg CrashConfig) *Mem {
	if !m.track {
		panic("vfs: Crash of a disk that was not made by NewCrashable")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead.Store(true)
	dropped := map[place]bool{}
	for _, c := range m.pending {
		onDropped := slices.ContainsFunc(c.slots, func(s slot) bool { return dropped[s.place()] })
		if !onDropped && rng.Float64() >= cfg.LoseName {
			c.persist()
			continue
		}
		for _, s := range c.slots {
			dropped[s.place()] = true
		}
	}
	after := newMem(true)
	after.root = m.root.crash(rng, cfg, map[*node]*node{})
	return after
}

// Kill ends the process that used the disk, as kill -9 does: m and all files
// open on it fail from now on, locks are free, and the disk that is returned
// has everything that was written; what was not synced can still be lost by a
// later Crash.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead.Store(true)
	return &Mem{root: m.root, track: m.track, pending: m.pending, locks: map[string]bool{}}
}

// crash copies what a power cut leaves of a node. Nodes that stand in two
// places, which a lost rename can cause, stay one.
func (n *node) crash(rng *rand.Rand, cfg CrashConfig, done map[*node]*node) *node {
	if copied, ok := done[n]; ok {
		return copied
	}
	if !n.isDir() {
		done[n] = &node{content: n.content.crash(rng, cfg)}
		return done[n]
	}
	after := &node{mod: n.mod, entries: map[string]*node{}, synced: map[string]*node{}}
	done[n] = after
	for _, name := range slices.Sorted(maps.Keys(n.synced)) {
		child := n.synced[name].crash(rng, cfg, done)
		after.entries[name], after.synced[name] = child, child
	}
	return after
}

// crash copies what a power cut leaves of a file.
func (c *content) crash(rng *rand.Rand, cfg CrashConfig) *content {
	c.mu.RLock()
	defer c.mu.RUnlock()
	after := newContent(true)
	after.mod = c.mod
	size := c.size
	if c.size != c.dirty.size && rng.Float64() < cfg.LoseSize {
		size = c.dirty.size
		if grown := c.size - c.dirty.size; grown > 0 && cfg.LoseSize < 1 {
			size += rng.Int64N(grown)
		}
	}
	page := make([]byte, pageSize)
	for i := range (size + pageSize - 1) / pageSize {
		c.fill(page, i*pageSize)
		if old, changed := c.dirty.pages[i]; changed {
			crashPage(rng, cfg, page, old)
		}
		after.write(page, i*pageSize)
	}
	after.cut(size)
	after.dirty.size = size
	return after
}

// crashPage turns a page that was not synced into what a power cut leaves of it.
func crashPage(rng *rand.Rand, cfg CrashConfig, page, old []byte) {
	synced := make([]byte, pageSize)
	copy(synced, old)
	switch chance := rng.Float64(); {
	case chance < cfg.LosePage:
		copy(page, synced)
	case chance < cfg.LosePage+cfg.TearPage:
		at := sectorSize * (1 + rng.IntN(pageSize/sectorSize-1))
		if rng.IntN(2) == 0 {
			copy(page[at:], synced[at:])
		} else {
			copy(page[:at], synced[:at])
		}
	}
}
