package inspect

import (
	"fmt"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// storedEntry is an entry of the metadata log.
type storedEntry = controller.StoredEntry

// storedMetadata is what a broker's controller has on disk.
type storedMetadata struct {
	*controller.Stored
	dir     string
	image   *metadata.Image // after the last entry
	decoded error           // why there is no image
}

// readMetadata reads a controller's folder and replays it. How far entries were
// committed is written down late, so that all count, as they do for a
// controller that stands for election.
func readMetadata(fsys vfs.FS, dir string) (*storedMetadata, error) {
	stored, err := controller.ReadStored(fsys, dir)
	if err != nil {
		return nil, err
	}
	m := &storedMetadata{Stored: stored, dir: dir}
	m.image, m.decoded = m.replay()
	return m, nil
}

// replay builds the image after all entries.
func (m *storedMetadata) replay() (*metadata.Image, error) {
	img := metadata.NewImage(nil)
	from := uint64(0)
	if m.Snapshot != nil {
		var err error
		if img, err = metadata.ReadImage(m.Snapshot.Image, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Snapshot.File, err)
		}
		from = m.Snapshot.Index
	}
	for _, e := range m.Entries() {
		if e.Index <= from || !e.Normal || len(e.Records) == 0 {
			continue
		}
		recs, err := metadata.DecodeRecords(e.Records)
		if err == nil {
			img, _, err = img.Apply(recs...)
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Index, err)
		}
	}
	return img, nil
}

// newestImage is the image of the controller that had got furthest, nil if none
// can be read.
func (f *folder) newestImage() *metadata.Image {
	var newest *storedMetadata
	for _, b := range f.brokers {
		if m := b.meta; m != nil && m.image != nil && (newest == nil || m.ahead(newest)) {
			newest = m
		}
	}
	if newest == nil {
		return nil
	}
	return newest.image
}

// ahead reports whether m would be elected rather than another.
func (m *storedMetadata) ahead(other *storedMetadata) bool {
	if a, b := m.lastTerm(), other.lastTerm(); a != b {
		return a > b
	}
	return m.Last() > other.Last()
}

func (m *storedMetadata) lastTerm() uint64 {
	if entries := m.Entries(); len(entries) > 0 {
		return entries[len(entries)-1].Term
	}
	if m.Snapshot != nil {
		return m.Snapshot.Term
	}
	return 0
}
