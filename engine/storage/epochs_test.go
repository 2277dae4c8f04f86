package storage

import (
	"slices"
	"testing"

	"github.com/logarium/logarium/engine/vfs"
)

func TestEpochs(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := mustOpen(t, testOptions(fs))
	appendIn := func(epoch int32, n int) {
		t.Helper()
		for range n {
			if _, err := l.Append(newBatch("x", 1, 0), AppendOptions{LeaderEpoch: epoch, Now: testNow}); err != nil {
				t.Fatal(err)
			}
		}
	}
	appendIn(2, 5)  // 0 to 4
	appendIn(5, 10) // 5 to 14
	if err := l.SetEpoch(7, 15); err != nil {
		t.Fatal(err)
	}
	type end struct {
		epoch, found int32
		at           int64
	}
	check := func(when string, want ...end) {
		t.Helper()
		for _, w := range want {
			if found, at := l.EpochEnd(w.epoch); found != w.found || at != w.at {
				t.Errorf("%s: epoch %d ends as %d at %d, want %d at %d", when, w.epoch, found, at, w.found, w.at)
			}
		}
	}
	check("written", end{-1, -1, -1}, end{0, 0, 0}, end{2, 2, 5}, end{3, 2, 5}, end{4, 2, 5}, end{5, 5, 15}, end{6, 5, 15}, end{7, 7, 15}, end{8, -1, -1})
	for offset, want := range map[int64]int32{0: 2, 4: 2, 5: 5, 14: 5, 15: 7} {
		if got := l.EpochAt(offset); got != want {
			t.Errorf("offset %d is of epoch %d, want %d", offset, got, want)
		}
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	l, _ = mustOpen(t, testOptions(fs))
	check("opened again", end{2, 2, 5}, end{5, 5, 15}) // an epoch without records may be forgotten
	if err := l.Truncate(9); err != nil {
		t.Fatal(err)
	}
	check("truncated", end{2, 2, 5}, end{5, 5, 9}, end{7, -1, -1})
	if err := l.DeleteRecords(7); err != nil {
		t.Fatal(err)
	}
	check("deleted", end{2, 2, 7}, end{5, 5, 9})
	if l.LatestEpoch() != 5 {
		t.Errorf("latest %d", l.LatestEpoch())
	}
}

func TestEpochsAssign(t *testing.T) {
	for _, tt := range []struct {
		name    string
		have    []epochStart
		epoch   int32
		start   int64
		want    []epochStart
		changed bool
	}{
		{"first", nil, 0, 0, []epochStart{{0, 0}}, true},
		{"none", nil, -1, 0, nil, false},
		{"the same", []epochStart{{1, 3}}, 1, 9, []epochStart{{1, 3}}, false},
		{"the same, earlier", []epochStart{{1, 3}}, 1, 2, []epochStart{{1, 2}}, true},
		{"the next", []epochStart{{1, 3}}, 2, 9, []epochStart{{1, 3}, {2, 9}}, true},
		{"instead of one without records", []epochStart{{1, 3}, {2, 9}}, 4, 9, []epochStart{{1, 3}, {4, 9}}, true},
		{"an older one", []epochStart{{1, 3}, {4, 9}}, 2, 11, []epochStart{{1, 3}, {2, 11}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := epochs{entries: slices.Clone(tt.have)}
			if changed := e.assign(tt.epoch, tt.start); changed != tt.changed || !slices.Equal(e.entries, tt.want) {
				t.Errorf("%v, changed %v", e.entries, changed)
			}
		})
	}
}

func FuzzCheckpoint(f *testing.F) {
	f.Add(encodeCheckpoint([]string{"1 2", "3 4"}))
	f.Add([]byte("1\n0\ncrc32c 00000000\n"))
	f.Add([]byte("40 90\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := decodeCheckpoint(b)
		if err == nil && string(encodeCheckpoint(lines)) != string(b) {
			t.Fatal("decoded and encoded, it is another")
		}
		var e epochs
		if lines, err := unsealText(sealText(string(b))); err == nil && e.decode(lines) == nil {
			var again epochs
			if err := again.decode(e.encode()); err != nil || !slices.Equal(again.entries, e.entries) {
				t.Fatalf("decoded, encoded and decoded: %v", err)
			}
		}
		if lines, err := unsealText(sealText(string(b))); err == nil {
			if s, err := decodeStale(lines); err == nil && (s.to < 0 || s.to > s.was || s.trusted(s.was) > s.was) {
				t.Fatalf("a range %+v", s)
			}
		}
	})
}
