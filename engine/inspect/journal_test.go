package inspect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/inspect"
	"github.com/logarium/logarium/engine/journal"
	"github.com/logarium/logarium/engine/storage"
	"github.com/logarium/logarium/engine/vfs"
)

// journaled is told what is durable, and does not care.
type journaled chan error

func (w journaled) Journaled(_ int64, err error) { w <- err }

// addJournal puts a journal into a folder, with an entry of three batches of
// topic t that begin at an offset.
func addJournal(t *testing.T, m *vfs.Mem, first int64) {
	t.Helper()
	id, err := storage.ReadTopicID(m, "broker-1/t-0")
	if err != nil {
		t.Fatal(err)
	}
	disk := vfs.NewMem()
	j, err := journal.Open(journal.Config{FS: disk, SegmentBytes: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Start(); err != nil {
		t.Fatal(err)
	}
	var batches []byte
	for i := range 3 {
		b := batch.NewBuilder(batch.BuilderOptions{BaseOffset: first + int64(i)})
		b.Append(1, nil, []byte("in the journal"), nil)
		batches = append(batches, b.Build()...)
	}
	done := make(journaled, 1)
	entry := journal.Entry{Key: journal.Key{Broker: 1, Topic: id}, First: first, Next: first + 3, Batches: batches}
	if err := j.Append(entry, done); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := j.Close(false); err != nil {
		t.Fatal(err)
	}
	if err := m.RemoveAll("journal"); err != nil {
		t.Fatal(err)
	}
	if err := m.MkdirAll("journal"); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, disk, ".") {
		write(t, m, "journal/"+name, read(t, disk, name))
	}
}

func TestVerify_TheJournalGoesOnWhereTheLogEnds(t *testing.T) {
	m := recordFolder(t, 1)
	remove(t, m, "broker-1/.kafka_cleanshutdown")
	write(t, m, "broker-1/replication-offset-checkpoint", []byte("0\n1\nt 0 6\n"))
	for _, c := range []struct {
		first int64
		want  inspect.Check // empty: no problem
	}{
		{3, ""},
		{4, inspect.CheckJournal},  // offset 3 is nowhere
		{2, inspect.CheckReplicas}, // offset 5 was acknowledged
	} {
		addJournal(t, m, c.first)
		report, found := verify(t, inspect.Options{FS: m})
		if c.want == "" && report.Problems > 0 ||
			c.want != "" && !slices.ContainsFunc(found, func(f inspect.Finding) bool { return f.Severity == inspect.Problem && f.Check == c.want }) {
			t.Errorf("an entry at offset %d: %v", c.first, found)
		}
	}
}

func TestDump_Journal(t *testing.T) {
	m := recordFolder(t, 1)
	addJournal(t, m, 3)
	if out := everything(t, m, false); !strings.Contains(out, "t-0 leader: 1 leaderEpoch: 0 firstOffset: 3 nextOffset: 6 released: false") {
		t.Error(out)
	}
}
