package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
	"github.com/logarium/logarium/engine/vfs"
)

// Part is a part of a data folder that Dump can show.
type Part string

// The parts.
const (
	PartSegments  Part = "segments"  // brokers, partitions, segments and other files
	PartBatches   Part = "batches"   // headers of batches
	PartRecords   Part = "records"   // the records in them
	PartIndexes   Part = "indexes"   // heads of index files
	PartEntries   Part = "entries"   // entries of index files
	PartProducers Part = "producers" // snapshots of producers
	PartEpochs    Part = "epochs"    // leader epochs
	PartTxns      Part = "txns"      // aborted transactions
	PartMetadata  Part = "metadata"  // the metadata log and its snapshots
)

// Parts are all parts, in the order in which they are shown.
func Parts() []Part {
	return []Part{PartSegments, PartBatches, PartRecords, PartIndexes, PartEntries, PartProducers, PartEpochs, PartTxns, PartMetadata, PartJournal}
}

// DumpOptions say what to show and how.
type DumpOptions struct {
	Options
	Parts    []Part
	Format   Format
	MaxBytes int // of each key, value and header that are shown; below 0: all
}

// Dump gives out everything that is in a data folder, in order, as far as it
// can be read: what cannot is an UnreadableItem or a DamageItem. Errors are
// ErrInUse, ErrNoData, those of the disk, of out and of ctx.
func Dump(ctx context.Context, o DumpOptions, out func(Item) error) (err error) {
	f, err := openFolder(&o.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	d := &dumper{ctx: ctx, fs: o.FS, o: o, out: out}
	for _, b := range f.brokers {
		if err := d.broker(b); err != nil {
			return err
		}
	}
	return d.journal(f)
}

// DumpSegment gives out the batches of one segment file, of Logarium or of
// Apache Kafka. The partition's name is taken from the folder it lies in.
func DumpSegment(ctx context.Context, o DumpOptions, name string, out func(Item) error) error {
	d := &dumper{ctx: ctx, fs: o.FS, o: o, out: out}
	log := &logFolder{dir: path.Dir(name), broker: &brokerFolder{}}
	if key, ok := splitLog(path.Base(log.dir)); ok {
		log.logKey = key
	}
	info, err := o.FS.Stat(name)
	if err != nil {
		return err
	}
	file := storage.LogFile{Name: path.Base(name), Size: info.Size}
	if _, err := fmt.Sscanf(file.Name, "%020d.", &file.Offset); err != nil {
		file.Offset = -1
	}
	return d.segment(log, file)
}

// dumper is one Dump.
type dumper struct {
	ctx context.Context
	fs  vfs.FS
	o   DumpOptions
	out func(Item) error
	buf []byte
}

func (d *dumper) shows(p ...Part) bool {
	return slices.ContainsFunc(p, func(p Part) bool { return slices.Contains(d.o.Parts, p) })
}

func (d *dumper) broker(b *brokerFolder) error {
	if d.shows(PartSegments) {
		cluster, _, err := readIdentity(d.fs, b.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			if err := d.unreadable(b.id, b.dir+"/"+identityFile, err); err != nil {
				return err
			}
		}
		if err := d.out(BrokerItem{Broker: b.id, ClusterID: cluster, Clean: b.clean, Logs: len(b.logs), Controller: b.meta != nil}); err != nil {
			return err
		}
		for _, name := range []string{recoveryFile, watermarkFile} {
			if err := b.errs[name]; err != nil {
				if err := d.unreadable(b.id, b.dir+"/"+name, err); err != nil {
					return err
				}
			}
		}
	}
	if d.shows(PartMetadata) && d.o.Filter.everything() {
		if err := d.metadata(b); err != nil {
			return err
		}
	}
	for _, l := range b.logs {
		if err := d.log(l); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) unreadable(broker int32, file string, err error) error {
	return d.out(UnreadableItem{Broker: broker, File: file, Reason: err.Error()})
}

func (d *dumper) log(l *logFolder) error {
	files, err := storage.ListFiles(d.fs, l.dir)
	if errors.Is(err, fs.ErrNotExist) && d.o.Live {
		return nil // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", l.dir, err)
	}
	if d.shows(PartSegments) {
		if err := d.partition(l, files); err != nil {
			return err
		}
	}
	for i, file := range files {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if d.outside(files, i) {
			continue
		}
		err := d.file(l, file)
		if errors.Is(err, fs.ErrNotExist) && d.o.Live {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// outside reports whether a segment or its index holds no offset that is asked
// for.
func (d *dumper) outside(files []storage.LogFile, i int) bool {
	file, f := files[i], &d.o.Filter
	switch file.Kind {
	case storage.FileSegment, storage.FileIndex, storage.FileTimeIndex, storage.FileTxnIndex:
	default:
		return false
	}
	for _, next := range files[i+1:] {
		if next.Kind == file.Kind && next.Offset > file.Offset {
			return f.after(file.Offset) || f.before(next.Offset-1)
		}
	}
	return f.after(file.Offset)
}

// partition shows what is known of a log as a whole.
func (d *dumper) partition(l *logFolder, files []storage.LogFile) error {
	item := PartitionItem{Place: l.place(), Directory: l.dir}
	for _, file := range files {
		switch file.Kind {
		case storage.FileSegment:
			item.Segments++
			item.Bytes += file.Size
		case storage.FileTopicID:
			id, err := storage.ReadTopicID(d.fs, l.dir)
			if err != nil {
				if err := d.unreadable(l.broker.id, l.dir+"/"+file.Name, err); err != nil {
					return err
				}
				continue
			}
			item.TopicID = metadata.UUID(id).String()
		case storage.FileLogStart, storage.FileCleaner:
			offset, err := storage.ReadOffsetFile(d.fs, l.dir, file)
			if err != nil {
				if err := d.unreadable(l.broker.id, l.dir+"/"+file.Name, err); err != nil {
					return err
				}
				continue
			}
			if file.Kind == storage.FileLogStart {
				item.LogStart = &offset
			} else {
				item.Cleaned = &offset
			}
		}
	}
	if point, ok := l.broker.points[l.logKey]; ok {
		item.RecoveryPoint = &point
	}
	if mark, ok := l.broker.marks[l.logKey]; ok {
		item.HighWatermark = &mark
	}
	return d.out(item)
}

func (l *logFolder) place() Place {
	return Place{Broker: l.broker.id, Topic: l.topic, Partition: l.index}
}

func (d *dumper) file(l *logFolder, file storage.LogFile) error {
	switch file.Kind {
	case storage.FileSegment:
		if d.shows(PartSegments, PartBatches, PartRecords) {
			return d.segment(l, file)
		}
	case storage.FileIndex, storage.FileTimeIndex:
		if d.shows(PartIndexes, PartEntries) {
			return d.index(l, file)
		}
	case storage.FileSnapshot:
		if d.shows(PartProducers) {
			return d.producers(l, file)
		}
	case storage.FileEpochs:
		if d.shows(PartEpochs) {
			return d.epochs(l, file)
		}
	case storage.FileTxnIndex:
		if d.shows(PartTxns) {
			return d.transactions(l, file)
		}
	case storage.FileTopicID, storage.FileLogStart, storage.FileCleaner, storage.FileTruncation:
	default:
		if d.shows(PartSegments) {
			return d.out(FileItem{Place: l.place(), File: l.dir + "/" + file.Name, Use: string(file.Kind), Bytes: file.Size})
		}
	}
	return nil
}

func (d *dumper) index(l *logFolder, file storage.LogFile) error {
	x, err := storage.ReadIndexFile(d.fs, l.dir, file)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return d.unreadable(l.broker.id, l.dir+"/"+file.Name, err)
	}
	item := IndexItem{
		Place: l.place(), File: l.dir + "/" + file.Name, Index: "offset", BaseOffset: x.Base, Bytes: x.Bytes, EndOffset: x.End,
		MaxTimestamp: x.MaxTimestamp, MaxTimestampAt: x.MaxTimestampAt, LastPosition: x.LastPosition, Aborted: x.Aborted, Entries: len(x.Entries),
	}
	times := file.Kind == storage.FileTimeIndex
	if times {
		item.Index = "time"
	}
	if d.shows(PartIndexes) {
		if err := d.out(item); err != nil {
			return err
		}
	}
	for _, e := range x.Entries {
		if !d.shows(PartEntries) || d.o.Filter.before(e.Offset) || d.o.Filter.after(e.Offset) {
			continue
		}
		var entry Item = IndexEntryItem{Place: l.place(), Segment: x.Base, Offset: e.Offset, Position: e.Position}
		if times {
			entry = TimeIndexEntryItem{Place: l.place(), Segment: x.Base, Timestamp: e.Timestamp, Offset: e.Offset}
		}
		if err := d.out(entry); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) producers(l *logFolder, file storage.LogFile) error {
	at, states, err := storage.ReadProducers(d.fs, l.dir, file)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return d.unreadable(l.broker.id, l.dir+"/"+file.Name, err)
	}
	for _, s := range states {
		item := ProducerItem{Place: l.place(), Snapshot: at, ProducerID: s.ID, ProducerEpoch: s.Epoch, LastSeen: s.Seen, Coordinator: s.CoordinatorEpoch, TxnFirst: s.TxnFirst, Batches: []ProducerBatch{}}
		for _, b := range s.Batches {
			item.Batches = append(item.Batches, ProducerBatch{b.FirstSequence, b.LastSequence, b.First, b.Last, b.Timestamp})
		}
		if err := d.out(item); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) transactions(l *logFolder, file storage.LogFile) error {
	aborted, err := storage.ReadTxnIndex(d.fs, l.dir, file)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return d.unreadable(l.broker.id, l.dir+"/"+file.Name, err)
	}
	for _, a := range aborted {
		if d.o.Filter.before(a.Last) || d.o.Filter.after(a.First) {
			continue
		}
		if err := d.out(TransactionItem{
			Place: l.place(), File: l.dir + "/" + file.Name, ProducerID: a.ProducerID, FirstOffset: a.First, LastOffset: a.Last, LastStableOffset: a.LastStable,
		}); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) epochs(l *logFolder, file storage.LogFile) error {
	epochs, err := storage.ReadEpochs(d.fs, l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return d.unreadable(l.broker.id, l.dir+"/"+file.Name, err)
	}
	for _, e := range epochs {
		if err := d.out(EpochItem{Place: l.place(), Epoch: e.Epoch, StartOffset: e.Start}); err != nil {
			return err
		}
	}
	return nil
}
