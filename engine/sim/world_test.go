package sim_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/logarium/logarium/engine/sim"
	"github.com/logarium/logarium/engine/vfs"
)

// must fails the test for an error of a step that is not under test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWorld_RandDependsOnSeedAndUseAlone(t *testing.T) {
	draw := func(seed uint64, use string) uint64 {
		w := sim.New(seed)
		w.Rand("something else").Uint64()
		return w.Rand(use).Uint64()
	}
	first, again, otherSeed, otherUse := draw(1, "faults"), draw(1, "faults"), draw(2, "faults"), draw(1, "workload")
	if first != again {
		t.Error("the same seed gave two numbers")
	}
	if first == otherSeed || first == otherUse {
		t.Error("another seed or use gave the same number")
	}
}

func TestWorld_DisksOutliveTheirBrokers(t *testing.T) {
	w := sim.New(1)
	before := w.Disk(1)
	synced, err := before.Create("synced")
	must(t, err)
	must(t, synced.Sync())
	must(t, before.SyncDir("."))
	_, err = before.Create("written")
	must(t, err)

	w.Kill(1)
	if _, err := before.Open("synced"); !errors.Is(err, vfs.ErrCrashed) {
		t.Errorf("the killed broker's disk still works: %v", err)
	}
	for _, name := range []string{"synced", "written"} {
		if _, err := w.Disk(1).Open(name); err != nil {
			t.Errorf("after a kill: %v", err)
		}
	}
	w.PowerCut(1, vfs.LoseAll())
	if _, err := w.Disk(1).Open("synced"); err != nil {
		t.Errorf("after a power cut: %v", err)
	}
	if _, err := w.Disk(1).Open("written"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a power cut: %v", err)
	}
	if names, err := w.Disk(2).List("."); err != nil || len(names) > 0 {
		t.Errorf("another broker's disk: %q, %v", names, err)
	}
}
