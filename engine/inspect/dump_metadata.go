package inspect

import (
	"fmt"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

// metadata shows a broker's metadata log.
func (d *dumper) metadata(b *brokerFolder) error {
	if err := b.errs[controllerDir]; err != nil {
		return d.unreadable(b.id, b.dir+"/"+controllerDir, err)
	}
	m := b.meta
	if m == nil {
		return nil
	}
	if s := m.Snapshot; s != nil {
		if err := d.metadataSnapshot(b, s); err != nil {
			return err
		}
	}
	for _, f := range m.Frames {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if err := d.out(MetadataFrameItem{
			Broker: b.id, File: m.dir + "/" + m.LogFile, Position: f.Position, Bytes: f.Bytes, Term: f.Term, Vote: f.Vote, Commit: f.Commit, Entries: len(f.Entries),
		}); err != nil {
			return err
		}
		for _, e := range f.Entries {
			if err := d.metadataEntry(b, e); err != nil {
				return err
			}
		}
	}
	if m.Torn > 0 {
		return d.unreadable(b.id, m.dir+"/"+m.LogFile, fmt.Errorf("%d bytes at byte %d are a write that did not end", m.Torn, m.Good))
	}
	return nil
}

func (d *dumper) metadataSnapshot(b *brokerFolder, s *controller.StoredSnapshot) error {
	item := MetadataSnapshotItem{Broker: b.id, File: b.meta.dir + "/" + s.File, Index: s.Index, Term: s.Term, Voters: s.Voters}
	img, err := metadata.ReadImage(s.Image, nil)
	if err != nil {
		return d.unreadable(b.id, item.File, err)
	}
	item.Offset = img.Offset()
	if err := d.out(item); err != nil {
		return err
	}
	return d.metadataRecords(b, s.Index, img.Records())
}

func (d *dumper) metadataEntry(b *brokerFolder, e controller.StoredEntry) error {
	recs, err := metadata.DecodeRecords(e.Records)
	if err != nil {
		return d.unreadable(b.id, fmt.Sprintf("%s/%s, entry %d", b.meta.dir, b.meta.LogFile, e.Index), err)
	}
	item := MetadataEntryItem{Broker: b.id, Index: e.Index, Term: e.Term, Committed: e.Index <= b.meta.Commit(), Records: len(recs)}
	if err := d.out(item); err != nil {
		return err
	}
	return d.metadataRecords(b, e.Index, recs)
}

func (d *dumper) metadataRecords(b *brokerFolder, index uint64, recs []metadata.Record) error {
	for _, r := range recs {
		if err := d.out(MetadataRecordItem{Broker: b.id, Index: index, Record: recordName(r), Fields: recordFields(r)}); err != nil {
			return err
		}
	}
	return nil
}
