package engine_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logarium/logarium/engine"
)

// unpack writes the files of an archive into a folder.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	raw, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(zipped)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(name, 0o750); err != nil {
				t.Fatal(err)
			}
			continue
		}
		content, err := io.ReadAll(files)
		if err == nil {
			err = os.WriteFile(name, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A data folder of the version that kept one copy of each partition and had one
// voter, made at 2e10965 by three brokers and ended by kill -9: the topic kept
// with 60 records in three partitions, and a group that has read them all.
func TestOpen_DataOfOneCopyAndOneVoter(t *testing.T) {
	dir := t.TempDir()
	unpack(t, "testdata/one-copy-killed.tar.gz", dir)
	cfg := engine.Config{
		Brokers: 2, DataDir: dir, Listeners: loopback(1).Listeners,
		Settings: map[string]string{"offsets.retention.minutes": "52560000"}, // what was committed grows old
	}
	var data *engine.DataError
	if _, err := engine.Open(t.Context(), cfg); !errors.As(err, &data) || !strings.Contains(err.Error(), "broker 3") {
		t.Fatalf("with too few brokers: %v", err)
	}
	cfg.Brokers = 3
	for run := range 2 { // the second has three voters behind it
		e := open(t, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		readKept(t, ctx, e, run)
		if run == 0 {
			must(t, e.Broker(1).Kill()) // the only voter of before
			admin := kadm.NewClient(client(t, e))
			if _, err := admin.CreateTopic(ctx, 1, 2, nil, "made-without-it"); err != nil {
				t.Fatal(err)
			}
			must(t, e.Broker(1).Start(ctx))
		}
		cancel()
		shut(t, e)
	}
}

// readKept reads all that was written and asks for what was committed, and
// writes one record more to each partition.
func readKept(t *testing.T, ctx context.Context, e *engine.Engine, run int) {
	t.Helper()
	c := client(t, e, kgo.ConsumeTopics("kept"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("kept"))
	for seen := 0; seen < 60+3*run; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("run %d: %v after %d records", run, err, seen)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want := fmt.Sprintf("value %d", 3*r.Offset+int64(r.Partition)); string(r.Value) != want {
				t.Errorf("run %d: partition %d, offset %d: %s instead of %s", run, r.Partition, r.Offset, r.Value, want)
			}
			seen++
		})
	}
	committed, err := kadm.NewClient(c).FetchOffsets(ctx, "readers")
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		if o, ok := committed.Lookup("kept", p); !ok || o.At != 20 {
			t.Errorf("run %d: partition %d: committed %+v", run, p, o)
		}
		r := &kgo.Record{Partition: p, Value: fmt.Appendf(nil, "value %d", 60+3*int32(run)+p)}
		if err := c.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
	}
}
