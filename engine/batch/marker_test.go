package batch

import (
	"testing"
)

func TestMarker(t *testing.T) {
	for _, m := range []Marker{{true, 7}, {false, 0}, {true, 1<<31 - 1}} {
		b := NewMarker(5, 3, m, 1000)
		h, err := Validate(b, Limits{AllowControl: true, AllowTransactional: true})
		if err != nil || !h.IsControl() || !h.IsTransactional() || h.ProducerID != 5 || h.ProducerEpoch != 3 || h.BaseSequence != -1 || h.Size() > MarkerMaxSize {
			t.Fatalf("%+v, %v", h, err)
		}
		if got, ok, err := ReadMarker(b); got != m || !ok || err != nil {
			t.Errorf("read %+v, %v, %v; want %+v", got, ok, err, m)
		}
		if n := testing.AllocsPerRun(100, func() { _, _, _ = ReadMarker(b) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func TestReadMarkerOfOtherBatches(t *testing.T) {
	data := NewBuilder(BuilderOptions{})
	data.Append(1, []byte("k"), nil, nil)
	leaderChange := NewBuilder(BuilderOptions{Control: true})
	leaderChange.Append(1, []byte{0, 0, 0, 2}, []byte("..."), nil)
	short := NewBuilder(BuilderOptions{Control: true})
	short.Append(1, []byte{0, 0, 0, 1}, []byte{0, 0}, nil)
	noKey := NewBuilder(BuilderOptions{Control: true})
	noKey.Append(1, nil, []byte{0, 0}, nil)
	two := NewBuilder(BuilderOptions{Control: true})
	two.Append(1, []byte{0, 0, 0, 1}, make([]byte, 6), nil)
	two.Append(1, []byte{0, 0, 0, 1}, make([]byte, 6), nil)
	for name, tt := range map[string]struct {
		b   []byte
		bad bool
	}{
		"data":          {data.Build(), false},
		"leader change": {leaderChange.Build(), false},
		"emptied":       {AppendEmpty(nil, 3, 4, 0), false},
		"short value":   {short.Build(), true},
		"no key":        {noKey.Build(), true},
		"two records":   {two.Build(), true},
		"half":          {NewMarker(1, 1, Marker{}, 1)[:HeaderSize+4], true},
	} {
		if _, ok, err := ReadMarker(tt.b); ok || (err != nil) != tt.bad {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

func FuzzReadMarker(f *testing.F) {
	f.Add(NewMarker(1, 2, Marker{true, 3}, 4))
	f.Add(AppendEmpty(nil, 0, 3, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok, err := ReadMarker(b); ok && (err != nil || len(b) < HeaderSize) {
			t.Errorf("%+v of %d bytes, %v", m, len(b), err)
		}
	})
}
