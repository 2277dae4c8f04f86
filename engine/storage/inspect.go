package storage

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/logarium/logarium/engine/vfs"
)

// What follows reads the files of a log that nobody has open, one by one and as
// they are, for those who look at a data folder (engine/inspect). Nothing is
// repaired, and nothing is written.

// FileKind is what a file of a log's folder is for.
type FileKind string

// The kinds.
const (
	FileSegment     FileKind = "segment"
	FileIndex       FileKind = "index"
	FileTimeIndex   FileKind = "timeindex"
	FileTxnIndex    FileKind = "txnindex"
	FileSnapshot    FileKind = "producers"
	FileEpochs      FileKind = "epochs"
	FileLogStart    FileKind = "logstart"
	FileCleaner     FileKind = "cleaner"
	FileTruncation  FileKind = "truncation"
	FileReset       FileKind = "reset" // the next start drops all that the log has
	FileTopicID     FileKind = "topicid"
	FileSwap        FileKind = "swap"       // a compacted segment that takes its place at the next start
	FileLeftover    FileKind = "leftover"   // deleted at the next start
	FileQuarantined FileKind = "quarantine" // damaged bytes that were put aside
	FileUnknown     FileKind = "unknown"
)

// LogFile is a file of a log's folder.
type LogFile struct {
	Name   string
	Kind   FileKind
	Offset int64 // in the name, -1 none
	Size   int64
}

// ListFiles describes the files of a log's folder, by name.
func ListFiles(fsys vfs.FS, dir string) ([]LogFile, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	files := make([]LogFile, 0, len(names))
	for _, name := range names {
		info, err := fsys.Stat(path.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile, in a folder that is in use
		}
		if err != nil {
			return nil, err
		}
		f := LogFile{Name: name, Offset: -1, Size: info.Size}
		f.Kind, f.Offset = fileKind(name)
		files = append(files, f)
	}
	return files, nil
}

func fileKind(name string) (FileKind, int64) {
	switch path.Ext(name) {
	case tempSuffix, deletedSuffix, cleanedSuffix:
		return FileLeftover, -1
	case corruptSuffix:
		return FileQuarantined, -1
	}
	switch name {
	case epochsFile:
		return FileEpochs, -1
	case logStartFile:
		return FileLogStart, -1
	case cleanerFile:
		return FileCleaner, -1
	case truncationFile:
		return FileTruncation, -1
	case resetFile:
		return FileReset, -1
	case metadataFile:
		return FileTopicID, -1
	}
	if s, ok := parseSwap(name); ok {
		return FileSwap, s.base
	}
	offset, suffix, ok := parseName(name)
	kind, known := map[string]FileKind{
		logSuffix: FileSegment, indexSuffix: FileIndex, timeIndexSuffix: FileTimeIndex, txnIndexSuffix: FileTxnIndex, snapshotSuffix: FileSnapshot,
	}[suffix]
	if !ok || !known {
		return FileUnknown, -1
	}
	return kind, offset
}

// IndexFile is what an index file of one segment says.
type IndexFile struct {
	Base           int64 // offset of the segment
	Bytes          int64 // of the segment
	End            int64 // the offset after the segment's last
	MaxTimestamp   int64 // -1: none
	MaxTimestampAt int64 // base offset of the first batch that has it, -1: none
	FirstTimestamp int64 // largest timestamp of the first batch, -1: none
	LastPosition   int64 // of the last batch
	LastCRC        uint32
	Aborted        uint32 // entries of the segment's transaction index
	Entries        []IndexEntry
}

// IndexEntry is an entry of an offset index (Position) or of a time index
// (Timestamp): all batches before the one at Offset have that timestamp at most.
type IndexEntry struct {
	Offset    int64
	Position  int64
	Timestamp int64
}

// ReadIndexFile reads an offset index, or a time index.
func ReadIndexFile(fsys vfs.FS, dir string, file LogFile) (IndexFile, error) {
	b, err := vfs.ReadFile(fsys, path.Join(dir, file.Name))
	if err != nil {
		return IndexFile{}, err
	}
	var x indexes
	var s summary
	if file.Kind == FileTimeIndex {
		s, err = x.decodeTimes(b)
	} else {
		s, err = x.decodeOffsets(b)
	}
	if err != nil {
		return IndexFile{}, err
	}
	f := IndexFile{
		Base: s.base, Bytes: s.size, End: s.end, MaxTimestamp: s.maxTimestamp, MaxTimestampAt: s.maxTimestampAt,
		FirstTimestamp: s.firstTimestamp, LastPosition: s.lastPosition, LastCRC: s.lastCRC, Aborted: s.aborted,
	}
	for _, e := range x.offsets.view() {
		f.Entries = append(f.Entries, IndexEntry{Offset: s.base + e.rel(), Position: e.pos()})
	}
	for _, e := range x.times.view() {
		f.Entries = append(f.Entries, IndexEntry{Offset: s.base + int64(e.rel), Timestamp: e.ts})
	}
	return f, nil
}

// ReadTxnIndex reads a transaction index: the aborted transactions whose markers
// are in the segment.
func ReadTxnIndex(fsys vfs.FS, dir string, file LogFile) ([]AbortedTxn, error) {
	b, err := vfs.ReadFile(fsys, path.Join(dir, file.Name))
	if err != nil {
		return nil, err
	}
	x, _, err := decodeTxns(b)
	if err != nil {
		return nil, err
	}
	return x.view(), nil
}

// ReadTruncation reads which recovery points are not to be believed: those above
// to and up to was.
func ReadTruncation(fsys vfs.FS, dir string) (to, was int64, err error) {
	s, err := readStale(fsys, dir)
	return s.to, s.was, err
}

// ProducerState is what a snapshot remembers of one producer.
type ProducerState struct {
	ID      int64
	Epoch   int16
	Seen    int64 // ms since 1970, by the broker's clock
	Batches []ProducerBatch
	// CoordinatorEpoch is of the coordinator that ended its last transaction,
	// TxnFirst where the one that is open begins; -1: none.
	CoordinatorEpoch int32
	TxnFirst         int64
}

// ProducerBatch is a batch of a producer; First and Last are offsets.
type ProducerBatch struct {
	FirstSequence, LastSequence int32
	First, Last                 int64
	Timestamp                   int64 // the largest in it, -1: none
}

// ReadProducers reads a snapshot of the producers and the offset that it says
// it is of.
func ReadProducers(fsys vfs.FS, dir string, file LogFile) (at int64, states []ProducerState, err error) {
	b, err := vfs.ReadFile(fsys, path.Join(dir, file.Name))
	if err != nil {
		return 0, nil, err
	}
	var s producers
	if at, err = s.decode(b); err != nil {
		return 0, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		p := s.byID[id]
		state := ProducerState{ID: id, Epoch: p.epoch, Seen: p.seen, CoordinatorEpoch: p.coordinator, TxnFirst: p.txnFirst}
		p.each(func(b *producerBatch) {
			state.Batches = append(state.Batches, ProducerBatch{
				FirstSequence: b.firstSequence, LastSequence: b.lastSequence, First: b.first(), Last: b.lastOffset, Timestamp: b.timestamp,
			})
		})
		states = append(states, state)
	}
	return at, states, nil
}

// EpochStart says at which offset a leader's epoch begins.
type EpochStart struct {
	Epoch int32
	Start int64
}

// ReadEpochs reads the leader epochs of a log.
func ReadEpochs(fsys vfs.FS, dir string) ([]EpochStart, error) {
	lines, err := readCheckpoint(fsys, dir, epochsFile)
	if err != nil {
		return nil, err
	}
	var e epochs
	if err := e.decode(lines); err != nil {
		return nil, err
	}
	out := make([]EpochStart, len(e.entries))
	for i, x := range e.entries {
		out[i] = EpochStart{x.epoch, x.start}
	}
	return out, nil
}

// ReadOffsetFile reads a checkpoint of one offset: FileLogStart, FileCleaner or
// FileReset.
func ReadOffsetFile(fsys vfs.FS, dir string, file LogFile) (int64, error) {
	return readOffset(fsys, dir, file.Name)
}
