package vfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logarium/logarium/engine/vfs"
)

// disks are all implementations, each fresh and empty.
func disks(t *testing.T) map[string]vfs.FS {
	t.Helper()
	real := func() vfs.FS {
		disk, err := vfs.OS(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return disk
	}
	return map[string]vfs.FS{
		"os":           real(),
		"mem":          vfs.NewMem(),
		"crashable":    vfs.NewCrashable(),
		"faulty os":    vfs.NewFaulty(real(), 1),
		"faulty mem":   vfs.NewFaulty(vfs.NewMem(), 1),
		"after crash":  vfs.NewCrashable().Crash(rand.New(rand.NewPCG(1, 1)), vfs.PowerCut()),
		"after a kill": vfs.NewCrashable().Kill(),
	}
}

// write makes a file with content, or gives an existing one new content.
func write(t *testing.T, disk vfs.FS, name, content string) {
	t.Helper()
	f, err := disk.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.WriteAt([]byte(content), 0); err != nil || n != len(content) {
		t.Fatalf("WriteAt: %d, %v", n, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// read returns what a file holds.
func read(t *testing.T, disk vfs.FS, name string) string {
	t.Helper()
	f, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return readOpen(t, f)
}

func readOpen(t *testing.T, f vfs.File) string {
	t.Helper()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, size)
	if n, err := f.ReadAt(content, 0); int64(n) != size || err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("ReadAt: %d of %d, %v", n, size, err)
	}
	return string(content)
}

// must fails the test for an error of a step that is not under test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDisk_Behaviour(t *testing.T) {
	tests := map[string]func(t *testing.T, disk vfs.FS){
		"a file keeps what is written":        keepsContent,
		"create cuts an existing file":        createCuts,
		"reads end at the end of the file":    readsEnd,
		"a hole reads as zeros":               holes,
		"truncate cuts and grows":             truncates,
		"folders hold names in order":         foldersList,
		"what is missing is not there":        missing,
		"rename replaces":                     renames,
		"remove takes files and empty folder": removes,
		"a removed file stays open":           removedStaysOpen,
		"names stay below the root":           namesStayBelow,
		"the root stays":                      rootStays,
		"files and folders are not mixed up":  mixedUp,
		"a lock is held by one":               locks,
		"a closed file is closed":             closedFile,
		"files can be used at once":           concurrent,
		"sync works on files and folders":     syncs,
		"stat describes":                      stats,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for kind, disk := range disks(t) {
				t.Run(kind, func(t *testing.T) { test(t, disk) })
			}
		})
	}
}

func keepsContent(t *testing.T, disk vfs.FS) {
	// Longer than a chunk in memory, written in uneven pieces and not in order.
	rng := rand.New(rand.NewPCG(1, 2))
	want := make([]byte, 700_000)
	for i := range want {
		want[i] = byte(rng.Uint32())
	}
	f, err := disk.Create("a")
	must(t, err)
	defer f.Close()
	var pieces [][2]int
	for at := 0; at < len(want); {
		n := min(1+rng.IntN(90_000), len(want)-at)
		pieces = append(pieces, [2]int{at, at + n})
		at += n
	}
	rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	for _, p := range pieces {
		n, err := f.WriteAt(want[p[0]:p[1]], int64(p[0]))
		if err != nil || n != p[1]-p[0] {
			t.Fatalf("WriteAt: %d, %v", n, err)
		}
	}
	must(t, f.Sync())
	if got := read(t, disk, "a"); got != string(want) {
		t.Fatal("content differs")
	}
	for range 100 {
		from := rng.IntN(len(want))
		got := make([]byte, rng.IntN(len(want)-from)+1)
		if _, err := f.ReadAt(got[:min(len(got), len(want)-from)], int64(from)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want[from:from+len(got)]) {
			t.Fatalf("content of [%d,%d) differs", from, from+len(got))
		}
	}
}

func createCuts(t *testing.T, disk vfs.FS) {
	write(t, disk, "a", "a long content")
	write(t, disk, "a", "short")
	if got := read(t, disk, "a"); got != "short" {
		t.Fatalf("got %q", got)
	}
}

func readsEnd(t *testing.T, disk vfs.FS) {
	write(t, disk, "a", "12345")
	f, err := disk.Open("a")
	must(t, err)
	defer f.Close()
	p := make([]byte, 4)
	for _, c := range []struct {
		off  int64
		want string
		err  error
	}{{0, "1234", nil}, {3, "45", io.EOF}, {5, "", io.EOF}, {100, "", io.EOF}} {
		n, err := f.ReadAt(p, c.off)
		if string(p[:n]) != c.want || !errors.Is(err, c.err) {
			t.Errorf("ReadAt(%d) = %q, %v; want %q, %v", c.off, p[:n], err, c.want, c.err)
		}
	}
	if n, err := f.ReadAt(nil, 0); n != 0 || err != nil {
		t.Errorf("ReadAt of nothing = %d, %v", n, err)
	}
	if _, err := f.ReadAt(p, -1); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("ReadAt(-1): %v", err)
	}
	if _, err := f.WriteAt(p, -1); err == nil {
		t.Error("WriteAt(-1) went well")
	}
}

func holes(t *testing.T, disk vfs.FS) {
	f, err := disk.Create("a")
	must(t, err)
	defer f.Close()
	const far = 600_000
	_, err = f.WriteAt([]byte("x"), far)
	must(t, err)
	want := strings.Repeat("\x00", far) + "x"
	if got := readOpen(t, f); got != want {
		t.Fatal("a hole is not zeros")
	}
}

func truncates(t *testing.T, disk vfs.FS) {
	write(t, disk, "a", strings.Repeat("abcd", 100_000))
	f, err := disk.Open("a")
	must(t, err)
	defer f.Close()
	for _, size := range []int64{300_001, 262_144, 6, 6, 300_000, 0, 3} {
		must(t, f.Truncate(size))
		if got, err := f.Size(); err != nil || got != size {
			t.Fatalf("Size = %d, %v; want %d", got, err, size)
		}
		if size == 6 {
			if got := readOpen(t, f); got != "abcdab" {
				t.Fatalf("got %q", got)
			}
		}
	}
	if got := readOpen(t, f); got != "\x00\x00\x00" {
		t.Fatalf("what was cut is back: %q", got)
	}
	if err := f.Truncate(-1); err == nil {
		t.Error("Truncate(-1) went well")
	}
}

func foldersList(t *testing.T, disk vfs.FS) {
	must(t, disk.MkdirAll("x/y/z"))
	must(t, disk.MkdirAll("x/y"))
	must(t, disk.MkdirAll("."))
	for _, name := range []string{"x/c", "x/a", "x/b", "x/y/1"} {
		write(t, disk, name, name)
	}
	for dir, want := range map[string][]string{
		".": {"x"}, "": {"x"}, "x": {"a", "b", "c", "y"}, "x/y": {"1", "z"}, "x/y/z": nil, "x/./y/../y/z/": nil,
	} {
		got, err := disk.List(dir)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, %v; want %q", dir, got, err, want)
		}
	}
}

func missing(t *testing.T, disk vfs.FS) {
	must(t, disk.MkdirAll("d"))
	_, openErr := disk.Open("d/a")
	_, createErr := disk.Create("none/a")
	_, listErr := disk.List("none")
	_, statErr := disk.Stat("none")
	_, lockErr := disk.Lock("none/lock")
	for call, err := range map[string]error{
		"Open": openErr, "Create": createErr, "List": listErr, "Stat": statErr, "Lock": lockErr,
		"Remove": disk.Remove("none"), "Rename": disk.Rename("none", "d/x"), "SyncDir": disk.SyncDir("none"),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", call, err)
		}
	}
	if err := disk.RemoveAll("none"); err != nil {
		t.Errorf("RemoveAll: %v", err)
	}
}

func renames(t *testing.T, disk vfs.FS) {
	must(t, disk.MkdirAll("d/e"))
	must(t, disk.MkdirAll("other"))
	write(t, disk, "a", "new")
	write(t, disk, "d/b", "old")
	must(t, disk.Rename("a", "d/b"))
	if got := read(t, disk, "d/b"); got != "new" {
		t.Fatalf("got %q", got)
	}
	if _, err := disk.Stat("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the old name is still there: %v", err)
	}
	must(t, disk.Rename("d/b", "d/b"))
	must(t, disk.Rename("d", "moved"))
	if got := read(t, disk, "moved/b"); got != "new" {
		t.Fatalf("got %q", got)
	}
	for _, c := range [][2]string{{"moved/b", "moved/e"}, {"moved/e", "moved/b"}, {"moved", "moved/e/x"}, {"moved", "other"}, {"moved", "moved/b"}, {"moved/b", "none/b"}} {
		if err := disk.Rename(c[0], c[1]); err == nil {
			t.Errorf("Rename(%q, %q) went well", c[0], c[1])
		}
	}
}

func removes(t *testing.T, disk vfs.FS) {
	must(t, disk.MkdirAll("d/e/f"))
	write(t, disk, "d/a", "1")
	write(t, disk, "d/e/b", "2")
	if err := disk.Remove("d"); err == nil {
		t.Fatal("a folder that is not empty was removed")
	}
	must(t, disk.Remove("d/a"))
	must(t, disk.Remove("d/e/f"))
	must(t, disk.RemoveAll("d"))
	if names, err := disk.List("."); err != nil || len(names) != 0 {
		t.Fatalf("left: %q, %v", names, err)
	}
	write(t, disk, "x", "1")
	must(t, disk.RemoveAll("x"))
}

func removedStaysOpen(t *testing.T, disk vfs.FS) {
	write(t, disk, "a", "content")
	f, err := disk.Open("a")
	must(t, err)
	defer f.Close()
	must(t, disk.Remove("a"))
	write(t, disk, "a", "another")
	if got := readOpen(t, f); got != "content" {
		t.Fatalf("got %q", got)
	}
}

func namesStayBelow(t *testing.T, disk vfs.FS) {
	must(t, disk.MkdirAll("d"))
	write(t, disk, "d/a", "1")
	for _, name := range []string{"/etc/passwd", "..", "../x", "d/../../x", "a\x00b", `d\a`, "/"} {
		_, createErr := disk.Create(name)
		_, openErr := disk.Open(name)
		_, statErr := disk.Stat(name)
		_, listErr := disk.List(name)
		_, lockErr := disk.Lock(name)
		for call, err := range map[string]error{
			"Create": createErr, "Open": openErr, "Stat": statErr, "List": listErr, "Lock": lockErr,
			"MkdirAll": disk.MkdirAll(name), "Remove": disk.Remove(name), "RemoveAll": disk.RemoveAll(name),
			"Rename from": disk.Rename(name, "x"), "Rename to": disk.Rename("d/a", name), "SyncDir": disk.SyncDir(name),
		} {
			if err == nil {
				t.Errorf("%s(%q) went well", call, name)
			}
		}
	}
	if got := read(t, disk, "d/../d/a"); got != "1" {
		t.Errorf("a name that stays below: %q", got)
	}
}

func rootStays(t *testing.T, disk vfs.FS) {
	_, createErr := disk.Create(".")
	for call, err := range map[string]error{
		"Remove": disk.Remove("."), "RemoveAll": disk.RemoveAll(""), "Rename": disk.Rename(".", "x"), "Create": createErr,
	} {
		if err == nil {
			t.Errorf("%s of the root went well", call)
		}
	}
	must(t, disk.SyncDir("."))
}

func mixedUp(t *testing.T, disk vfs.FS) {
	must(t, disk.MkdirAll("d"))
	write(t, disk, "f", "1")
	_, createErr := disk.Create("d")
	_, openErr := disk.Open("d")
	_, belowErr := disk.Create("f/x")
	_, listErr := disk.List("f")
	_, lockErr := disk.Lock("d")
	for call, err := range map[string]error{
		"Create a folder": createErr, "Open a folder": openErr, "Create below a file": belowErr, "List a file": listErr,
		"Lock a folder": lockErr, "MkdirAll of a file": disk.MkdirAll("f"), "MkdirAll below a file": disk.MkdirAll("f/x/y"),
		"SyncDir of a file": disk.SyncDir("f"), "Rename below a file": disk.Rename("d", "f/x"),
	} {
		if err == nil {
			t.Errorf("%s went well", call)
		}
	}
}

func locks(t *testing.T, disk vfs.FS) {
	held, err := disk.Lock("lock")
	must(t, err)
	if _, err := disk.Lock("lock"); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("a second lock: %v", err)
	}
	other, err := disk.Lock("other")
	must(t, err)
	must(t, held.Close())
	again, err := disk.Lock("lock")
	must(t, err)
	must(t, again.Close())
	must(t, other.Close())
	if err := held.Close(); err == nil {
		t.Error("a lock was freed twice")
	}
}

func closedFile(t *testing.T, disk vfs.FS) {
	f, err := disk.Create("a")
	must(t, err)
	must(t, f.Close())
	_, readErr := f.ReadAt(make([]byte, 1), 0)
	_, writeErr := f.WriteAt([]byte("x"), 0)
	_, sizeErr := f.Size()
	for call, err := range map[string]error{
		"ReadAt": readErr, "WriteAt": writeErr, "Size": sizeErr, "Sync": f.Sync(), "Truncate": f.Truncate(0), "Close": f.Close(),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func concurrent(t *testing.T, disk vfs.FS) {
	f, err := disk.Create("a")
	must(t, err)
	defer f.Close()
	const writers, size = 4, 50_000
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			for at := 0; at < size; at += 1000 {
				if _, err := f.WriteAt(bytes.Repeat([]byte{byte('a' + i)}, 1000), int64(i*size+at)); err != nil {
					t.Error(err)
				}
				if _, err := f.ReadAt(make([]byte, 1000), int64(i*size+at)); err != nil && !errors.Is(err, io.EOF) {
					t.Error(err)
				}
			}
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	var want strings.Builder
	for i := range writers {
		want.WriteString(strings.Repeat(string(rune('a'+i)), size))
	}
	if got := readOpen(t, f); got != want.String() {
		t.Fatal("content differs")
	}
}

func syncs(t *testing.T, disk vfs.FS) {
	must(t, disk.MkdirAll("d"))
	write(t, disk, "d/a", "1")
	f, err := disk.Open("d/a")
	must(t, err)
	defer f.Close()
	must(t, f.Sync())
	must(t, f.Sync())
	must(t, disk.SyncDir("d"))
	must(t, disk.SyncDir(""))
}

func stats(t *testing.T, disk vfs.FS) {
	before := time.Now().Add(-time.Minute)
	must(t, disk.MkdirAll("d"))
	write(t, disk, "d/a", "12345")
	file, err := disk.Stat("d/a")
	must(t, err)
	if file.Size != 5 || file.IsDir || file.ModTime.Before(before) {
		t.Errorf("file: %+v", file)
	}
	dir, err := disk.Stat("d")
	must(t, err)
	if !dir.IsDir || dir.Size != 0 || dir.ModTime.Before(before) {
		t.Errorf("folder: %+v", dir)
	}
}
