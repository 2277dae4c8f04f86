package inspect

import (
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/journal"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// PartJournal is the shared journal of the process.
const PartJournal Part = "journal"

// JournalFileItem is a file of the journal.
type JournalFileItem struct {
	File       string `json:"file"`
	Bytes      int64  `json:"bytes"`
	Generation uint64 `json:"generation"` // 0: it is there to be written
}

// Kind implements Item.
func (JournalFileItem) Kind() string { return "journalFile" }

// Text implements Item.
func (i JournalFileItem) Text() string {
	return fmt.Sprintf("Journal file %s  bytes: %d generation: %d", safe(i.File), i.Bytes, i.Generation)
}

// JournalEntryItem is an entry of the journal: batches that a leader appended.
type JournalEntryItem struct {
	File      string `json:"file"`
	Position  int64  `json:"position"`
	Bytes     int64  `json:"bytes"`
	Broker    int32  `json:"broker"` // the leader
	TopicID   string `json:"topicId"`
	Topic     string `json:"topic"` // empty: the metadata does not have it
	Partition int32  `json:"partition"`
	Epoch     int32  `json:"leaderEpoch"`
	First     int64  `json:"firstOffset"`
	Next      int64  `json:"nextOffset"`
	Released  bool   `json:"released"` // in synced logs; not needed any more
}

// Kind implements Item.
func (JournalEntryItem) Kind() string { return "journalEntry" }

// Text implements Item.
func (i JournalEntryItem) Text() string {
	name := i.Topic
	if name == "" {
		name = i.TopicID
	}
	return fmt.Sprintf("| position: %d bytes: %d %s-%d leader: %d leaderEpoch: %d firstOffset: %d nextOffset: %d released: %t",
		i.Position, i.Bytes, safe(name), i.Partition, i.Broker, i.Epoch, i.First, i.Next, i.Released)
}

// hasJournal reports whether the folder has one.
func hasJournal(fsys vfs.FS) bool {
	info, err := fsys.Stat(journalDir)
	return err == nil && info.IsDir
}

// dumpJournal shows the journal.
func (d *dumper) journal(f *folder) error {
	if !d.shows(PartJournal) || !hasJournal(d.fs) {
		return nil
	}
	img, filter := f.newestImage(), &d.o.Filter
	sum, err := journal.ReadStored(below{d.fs, journalDir}, func(s journal.StoredFrame) error {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		item := JournalEntryItem{
			File: journalDir + "/" + s.File, Position: s.Offset, Bytes: s.Bytes, Broker: s.Broker, TopicID: metadata.UUID(s.Topic).String(),
			Topic: topicName(img, s.Topic), Partition: s.Partition, Epoch: s.Epoch, First: s.First, Next: s.Next, Released: s.Released,
		}
		if !filter.broker(s.Broker) || !filter.partition(item.Topic, item.Partition) || filter.before(s.Next-1) || filter.after(s.First) {
			return nil
		}
		return d.out(item)
	})
	if err != nil {
		return err
	}
	if !filter.everything() {
		return nil
	}
	for _, file := range sum.Files {
		if err := d.out(JournalFileItem{File: journalDir + "/" + file.Name, Bytes: file.Bytes, Generation: file.Generation}); err != nil {
			return err
		}
	}
	for _, damage := range sum.Damage {
		if err := d.unreadable(0, journalDir+"/"+damage.File, damage); err != nil {
			return err
		}
	}
	return nil
}

func topicName(img *metadata.Image, id [16]byte) string {
	if img != nil {
		if t := img.TopicByID(id); t != nil {
			return t.Name
		}
	}
	return ""
}

// journal checks the journal, and notes how far each log will reach once it is
// put into it.
func (v *verifier) journal() error {
	if !hasJournal(v.fs) {
		return nil
	}
	v.journaled = true
	byID := map[journal.Key][]*logFolder{} // of all brokers; Broker 0
	for l := range v.ends {
		if t := v.topicOf(l); t != nil {
			key := journal.Key{Topic: t.ID, Partition: l.index}
			byID[key] = append(byID[key], l)
		}
	}
	gone := map[journal.Key]bool{} // told already
	sum, err := journal.ReadStored(below{v.fs, journalDir}, func(s journal.StoredFrame) error {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		v.entry(&s)
		if s.Released {
			return nil
		}
		for _, l := range byID[journal.Key{Topic: s.Topic, Partition: s.Partition}] {
			end := v.ends[l]
			if s.First <= end.reach {
				end.reach = max(end.reach, s.Next)
				v.ends[l] = end
			} else if l.broker.id == s.Broker && !gone[s.Key] && !v.o.Live {
				gone[s.Key] = true
				v.find(Finding{Severity: Problem, Check: CheckJournal, Broker: s.Broker, Topic: l.topic, Partition: &l.index, File: journalDir + "/" + s.File, Position: &s.Offset,
					Detail: fmt.Sprintf("the entry begins at offset %d, and its leader's log ends at %d", s.First, end.reach)})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range sum.Damage {
		v.find(Finding{Severity: Problem, Check: CheckJournal, File: journalDir + "/" + d.File, Position: &d.Position, Detail: d.Error()})
	}
	if sum.Torn > 0 {
		v.find(Finding{Severity: Note, Check: CheckJournal, File: journalDir, Detail: fmt.Sprintf("%d bytes at the end are a write that did not end; nothing of it was acknowledged", sum.Torn)})
	}
	return nil
}

// entry checks the batches of an entry.
func (v *verifier) entry(s *journal.StoredFrame) {
	next, rest := s.First, s.Batches
	for b := range batch.Split(s.Batches) {
		h, err := batch.Validate(b, whatever)
		if err == nil && h.BaseOffset < next {
			err = fmt.Errorf("a batch has the offset %d, below %d, which comes next", h.BaseOffset, next)
		}
		if err != nil {
			v.find(Finding{Severity: Problem, Check: CheckJournal, Broker: s.Broker, File: journalDir + "/" + s.File, Position: &s.Offset, Detail: err.Error()})
			return
		}
		next, rest = h.LastOffset()+1, rest[len(b):]
	}
	if len(rest) > 0 || next != s.Next {
		v.find(Finding{Severity: Problem, Check: CheckJournal, Broker: s.Broker, File: journalDir + "/" + s.File, Position: &s.Offset,
			Detail: fmt.Sprintf("its batches end at offset %d, the entry says %d; %d bytes are left", next, s.Next, len(rest))})
	}
}

// below is a folder of a disk, for reading.
type below struct {
	vfs.FS
	dir string
}

func (b below) name(name string) string {
	if name == "." || name == "" {
		return b.dir
	}
	return b.dir + "/" + name
}

func (b below) Open(name string) (vfs.File, error)   { return b.FS.Open(b.name(name)) }
func (b below) List(name string) ([]string, error)   { return b.FS.List(b.name(name)) }
func (b below) Stat(name string) (vfs.Info, error)   { return b.FS.Stat(b.name(name)) }
func (b below) Create(name string) (vfs.File, error) { return nil, readOnly(name) }
func (b below) MkdirAll(name string) error           { return readOnly(name) }
func (b below) Remove(name string) error             { return readOnly(name) }
func (b below) RemoveAll(name string) error          { return readOnly(name) }
func (b below) Rename(name, _ string) error          { return readOnly(name) }
func (b below) SyncDir(name string) error            { return readOnly(name) }
func (b below) Lock(name string) (io.Closer, error)  { return nil, readOnly(name) }

func readOnly(name string) error { return &fs.PathError{Op: "change", Path: name, Err: syscall.EROFS} }
