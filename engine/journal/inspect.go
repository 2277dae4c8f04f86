package journal

import (
	"errors"
	"fmt"

	"github.com/logarium/logarium/engine/vfs"
)

// StoredFile describes a file of the journal's folder.
type StoredFile struct {
	Name       string
	Bytes      int64
	Generation uint64 // 0 unless Used
	Used       bool   // it holds entries; the others are there to be written
}

// StoredFrame is an entry as it is stored.
type StoredFrame struct {
	File     string
	Offset   int64 // in the file
	Position int64 // in the journal
	Bytes    int64 // with its header
	Released bool  // it is in synced logs, and will not be recovered
	Entry          // Batches is valid during the call only
}

// StoredSummary is what ReadStored found.
type StoredSummary struct {
	Files    []StoredFile
	Entries  int
	Torn     int64 // bytes of an unfinished write at the end: no damage
	Released int64 // position below which no entry is needed
	Damage   []Damage
}

// ReadStored reads the journal's folder as it is, changing nothing, and calls fn
// for every entry, oldest first; fn may be nil. Damage is in the summary, and is
// not an error.
func ReadStored(fsys vfs.FS, fn func(StoredFrame) error) (sum StoredSummary, err error) {
	st, err := load(fsys)
	if err != nil {
		return sum, fmt.Errorf("reading the journal: %w", err)
	}
	defer func() { err = errors.Join(err, st.close()) }()
	for _, s := range st.segments {
		sum.Files = append(sum.Files, StoredFile{s.name(), s.size, s.generation, true})
	}
	for _, s := range st.spares {
		sum.Files = append(sum.Files, StoredFile{Name: s.name, Bytes: s.size})
	}
	sum.Damage = st.damage
	// Twice: that an entry is released stands behind it.
	if err := sum.read(st.walkers(), nil); err != nil {
		return sum, fmt.Errorf("reading the journal: %w", err)
	}
	if fn == nil {
		return sum, nil
	}
	again := StoredSummary{Released: sum.Released}
	return sum, again.read(st.walkers(), fn)
}

func (sum *StoredSummary) read(walkers []*walker, fn func(StoredFrame) error) error {
	for _, w := range walkers {
		for {
			ok, err := w.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if w.damage != nil {
				sum.Damage = append(sum.Damage, *w.damage)
				w.damage = nil
				continue
			}
			sum.Entries++
			if fn == nil {
				continue
			}
			f := &w.frame
			if err := fn(StoredFrame{
				File: w.seg.name(), Offset: w.seg.offset(f.position), Position: f.position, Bytes: f.size(), Released: f.position < sum.Released,
				Entry: Entry{Key: f.key, Epoch: f.epoch, First: f.first, Next: f.next, Batches: w.payload},
			}); err != nil {
				return err
			}
		}
		sum.Torn += w.torn
		sum.Released = max(sum.Released, w.released)
	}
	return nil
}
