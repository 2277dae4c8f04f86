package inspect_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/inspect"
	"github.com/logarium/logarium/engine/vfs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// record makes a data folder by a cluster that a producer and a group have used
// and that was stopped cleanly, and returns it in memory.
func recordFolder(t testing.TB, brokers int) *vfs.Mem {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e, err := engine.Open(ctx, engine.Config{
		Brokers: brokers, DataDir: dir, Listeners: []engine.Listener{{Name: "EXTERNAL", Bind: "127.0.0.1:0"}},
		Settings: map[string]string{"offsets.topic.num.partitions": "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(e.Bootstrap()...), kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, -1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		r := &kgo.Record{Topic: "t", Key: []byte("k"), Value: fmt.Appendf(nil, "value %d", i)}
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.PollFetches(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return load(t, dir)
}

// load copies a folder into memory.
func load(t testing.TB, dir string) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return mem.MkdirAll(filepath.ToSlash(rel))
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		write(t, mem, filepath.ToSlash(rel), b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return mem
}

func write(t testing.TB, fsys vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fsys.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, fsys vfs.FS, name string) []byte {
	t.Helper()
	b, err := vfs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files lists all files of a folder by name.
func files(t testing.TB, fsys vfs.FS, dir string) []string {
	t.Helper()
	names, err := fsys.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range names {
		name = path.Join(dir, name)
		info, err := fsys.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir {
			out = append(out, files(t, fsys, name)...)
		} else {
			out = append(out, name)
		}
	}
	return out
}

// find returns the one file whose name matches a pattern.
func find(t testing.TB, fsys vfs.FS, pattern string) string {
	t.Helper()
	for _, name := range files(t, fsys, ".") {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return name
		}
	}
	t.Fatalf("no file %s among %v", pattern, files(t, fsys, "."))
	return ""
}

// verify returns what Verify finds.
func verify(t testing.TB, o inspect.Options) (inspect.Report, []inspect.Finding) {
	t.Helper()
	var found []inspect.Finding
	report, err := inspect.Verify(context.Background(), o, func(item inspect.Item) error {
		found = append(found, item.(inspect.Finding))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return report, found
}

// everything is all that Dump shows of a folder.
func everything(t testing.TB, fsys vfs.FS, jsonLines bool) string {
	t.Helper()
	var out strings.Builder
	o := inspect.DumpOptions{Options: inspect.Options{FS: fsys}, Parts: inspect.Parts(), Format: inspect.FormatAuto, MaxBytes: -1}
	err := inspect.Dump(context.Background(), o, func(item inspect.Item) error {
		if jsonLines {
			return inspect.WriteJSON(&out, item)
		}
		_, err := fmt.Fprintln(&out, item.Text())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
