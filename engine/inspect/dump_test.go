package inspect_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/coordinator/group"
	"github.com/logarium/logarium/engine/inspect"
	"github.com/logarium/logarium/engine/storage"
	"github.com/logarium/logarium/engine/vfs"
)

// scriptedFolder makes a folder of one broker that is the same each time:
// plain records, an idempotent producer, an aborted transaction, an offset.
func scriptedFolder(t testing.TB) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	if err := mem.MkdirAll("broker-1"); err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1_700_000_000_000).UTC()
	plain := batch.NewBuilder(batch.BuilderOptions{Codec: batch.Gzip})
	plain.Append(now.UnixMilli(), []byte("k"), []byte("hello"), []batch.RecordHeader{{Key: "h", Value: []byte{0xff, 0}}})
	plain.Append(now.UnixMilli()+1, nil, []byte("esc \x1b[31m \u202e"), nil)
	plain.Append(now.UnixMilli()+2, []byte{1, 2}, nil, nil)
	txn := batch.NewBuilder(batch.BuilderOptions{Producer: true, ProducerID: 7, Epoch: 1, Transactional: true})
	txn.Append(now.UnixMilli()+3, nil, []byte("never"), nil)
	scripted(t, mem, "t-0", now, plain.Build(), txn.Build(), batch.NewMarker(7, 1, batch.Marker{CoordinatorEpoch: 2}, now.UnixMilli()+4))

	offset := group.OffsetRecord{Group: "g", Topic: "t", Offset: &group.Offset{Offset: 2, LeaderEpoch: -1, CommitTime: now.UnixMilli(), ExpireTime: -1}}
	groups := batch.NewBuilder(batch.BuilderOptions{})
	groups.Append(now.UnixMilli(), offset.Key(), offset.Value(), nil)
	offset.Offset = nil
	groups.Append(now.UnixMilli(), offset.Key(), nil, nil)
	scripted(t, mem, "__consumer_offsets-3", now, groups.Build())
	write(t, mem, "broker-1/meta.properties", []byte("version=1\ncluster.id=c\nnode.id=1\n"))
	write(t, mem, "broker-1/recovery-point-offset-checkpoint", []byte("0\n2\n__consumer_offsets 3 2\nt 0 5\n"))
	write(t, mem, "broker-1/.kafka_cleanshutdown", []byte("{\"version\":0}\n"))
	return mem
}

func scripted(t testing.TB, mem *vfs.Mem, dir string, now time.Time, batches ...[]byte) {
	t.Helper()
	cfg := storage.DefaultConfig()
	cfg.TimestampAfterMax = math.MaxInt64
	l, _, err := storage.Open(storage.Options{FS: mem, Dir: "broker-1/" + dir, TopicID: [16]byte{1}, Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if _, err := l.Append(b, storage.AppendOptions{LeaderEpoch: 4, Now: now, Origin: storage.FromCoordinator}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(true); err != nil {
		t.Fatal(err)
	}
}

func TestDump_Golden(t *testing.T) {
	mem := scriptedFolder(t)
	for name, json := range map[string]bool{"dump.txt": false, "dump.json": true} {
		got := everything(t, mem, json)
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: after a change that is meant, write it anew with -update. It is\n%s", golden, got)
		}
	}
}

func TestDump_NothingMovesTheTerminal(t *testing.T) {
	for _, r := range everything(t, scriptedFolder(t), false) {
		if r != '\n' && (r < ' ' || r == 0x7f || r == '\u202e') {
			t.Fatalf("the text has the character %U", r)
		}
	}
}

func TestDump_Filters(t *testing.T) {
	mem := scriptedFolder(t)
	for _, c := range []struct {
		filter inspect.Filter
		want   string // offsets of the records shown
	}{
		{inspect.Filter{}, "__consumer_offsets 0 1 t 0 1 2 3 4"},
		{inspect.Filter{Topics: []string{"t"}}, "t 0 1 2 3 4"},
		{inspect.Filter{Topics: []string{"t"}, From: 2}, "t 2 3 4"},
		{inspect.Filter{Topics: []string{"t"}, From: 1, Until: 4}, "t 1 2 3"},
		{inspect.Filter{Partitions: []int32{3}}, "__consumer_offsets 0 1"},
		{inspect.Filter{Brokers: []int32{2}}, ""},
	} {
		got, topic := "", ""
		o := inspect.DumpOptions{Options: inspect.Options{FS: mem, Filter: c.filter}, Parts: []inspect.Part{inspect.PartRecords}}
		if err := inspect.Dump(t.Context(), o, func(item inspect.Item) error {
			r := item.(inspect.RecordItem)
			if r.Topic != topic {
				topic = r.Topic
				got += " " + topic
			}
			got += fmt.Sprint(" ", r.Offset)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%+v: %q, want %q", c.filter, got, c.want)
		}
	}
}

// Behind damage the dump goes on.
func TestDump_GoesOnBehindDamage(t *testing.T) {
	mem := scriptedFolder(t)
	name := "broker-1/t-0/00000000000000000000.log"
	b := read(t, mem, name)
	b[70] ^= 1       // in the records of the first batch: its CRC is wrong
	b[16+len(b)/2]++ // somewhere behind
	write(t, mem, name, b)
	o := inspect.DumpOptions{Options: inspect.Options{FS: mem, Filter: inspect.Filter{Topics: []string{"t"}}}, Parts: []inspect.Part{inspect.PartBatches}}
	var valid []bool
	damage := 0
	if err := inspect.Dump(t.Context(), o, func(item inspect.Item) error {
		switch item := item.(type) {
		case inspect.BatchItem:
			valid = append(valid, item.Valid)
		case inspect.DamageItem:
			damage++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(valid, damage) != "[false false true] 0" {
		t.Errorf("%v, %d damaged", valid, damage)
	}
	write(t, mem, name, b[30:])
	valid = nil
	if err := inspect.Dump(t.Context(), o, func(item inspect.Item) error {
		if item, ok := item.(inspect.DamageItem); ok {
			damage += int(item.Bytes)
		} else {
			valid = append(valid, true)
		}
		return nil
	}); err != nil || damage == 0 || len(valid) == 0 {
		t.Errorf("%v: %d bytes damaged, %d batches behind", err, damage, len(valid))
	}
}

// Every field of every line of JSON is in the document.
func TestDump_FieldsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/log-tools.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range []inspect.Item{
		inspect.BrokerItem{}, inspect.PartitionItem{}, inspect.SegmentItem{}, inspect.FileItem{}, inspect.BatchItem{}, inspect.RecordItem{},
		inspect.DamageItem{}, inspect.IndexItem{}, inspect.IndexEntryItem{}, inspect.TimeIndexEntryItem{}, inspect.ProducerItem{},
		inspect.TransactionItem{}, inspect.EpochItem{}, inspect.UnreadableItem{}, inspect.MetadataSnapshotItem{}, inspect.MetadataFrameItem{},
		inspect.MetadataEntryItem{}, inspect.JournalFileItem{}, inspect.JournalEntryItem{}, inspect.MetadataRecordItem{}, inspect.Finding{}, inspect.Report{},
	} {
		section := regexp.MustCompile("(?s)\n### `" + item.Kind() + "`\n(.*?)(\n#|$)").FindSubmatch(doc)
		if section == nil {
			t.Errorf("no section for %q", item.Kind())
			continue
		}
		for _, name := range jsonNames(reflect.TypeOf(item)) {
			if !strings.Contains(string(section[1]), "`"+name+"`") {
				t.Errorf("%s: nothing is said of the field %q", item.Kind(), name)
			}
		}
	}
}

// jsonNames are the names of a type's fields in JSON; a Place has a section of
// its own.
func jsonNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func TestDump_JSONLines(t *testing.T) {
	for line := range strings.Lines(everything(t, scriptedFolder(t), true)) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["type"] == nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
