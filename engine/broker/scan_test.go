package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fill gives every field below v a value, arrays two elements.
func fill(v reflect.Value, r *rand.Rand) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), r)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "UnknownTags" && f.Name != "Version" {
				fill(v.Field(i), r)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), r)
		fill(v.Index(1), r)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), r)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("name-", r.IntN(1000)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(r.IntN(200)))
	case reflect.Float64:
		v.SetFloat(r.Float64())
	default:
		v.SetInt(int64(r.IntN(100)) - 1)
	}
}

// eachVersion calls fn for every key and version that the schemas and kmsg know.
func eachVersion(t *testing.T, fn func(t *testing.T, req kmsg.Request, fields []fieldLayout)) {
	t.Helper()
	for key, schema := range schemas {
		req := kmsg.RequestForKey(key)
		if req == nil {
			continue
		}
		fields, err := parseSchema(schema)
		if err != nil {
			t.Fatal(err)
		}
		for v := int16(0); v <= req.MaxVersion(); v++ {
			if a := lookup(key); a != nil && (v < a.min || v > a.max) {
				continue
			}
			req := kmsg.RequestForKey(key)
			req.SetVersion(v)
			t.Run(fmt.Sprintf("%s/%d", kmsg.NameForKey(key), v), func(t *testing.T) { fn(t, req, fields) })
		}
	}
}

// The walk must see a request's bytes exactly as kmsg does: what kmsg writes is
// walked to its last byte, and no prefix of it is whole.
func TestScan_AgreesWithKmsgOnEveryVersion(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	eachVersion(t, func(t *testing.T, req kmsg.Request, fields []fieldLayout) {
		known := lookup(req.Key()) != nil
		for round := range 3 {
			if round > 0 {
				fill(reflect.ValueOf(req).Elem(), r)
			}
			b := req.AppendTo(nil)
			s := scan{b: b, version: req.GetVersion(), flexible: req.IsFlexible(), elements: 1000}
			if err := s.check(fields); err != nil || len(s.b) != 0 {
				if known {
					t.Fatalf("%d of %d bytes left, %v: %x", len(s.b), len(b), err, b)
				}
				t.Skipf("kmsg and Kafka 4.3 differ here; the key is not served")
			}
			for n := range b {
				s := scan{b: b[:n], version: req.GetVersion(), flexible: req.IsFlexible(), elements: 1000}
				if s.check(fields) == nil {
					t.Fatalf("the first %d of %d bytes pass for a whole request: %x", n, len(b), b)
				}
			}
		}
	})
}

func TestScan_Refuses(t *testing.T) {
	fetch, err := parseSchema(schemas[1])
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrFetchRequest()
	req.Version = 12
	whole := req.AppendTo(nil)
	tagCount := whole[:len(whole)-1]
	cases := map[string]struct {
		body     []byte
		elements int
	}{
		"four billion tags":         {append(tagCount[:len(tagCount):len(tagCount)], 0xff, 0xff, 0xff, 0xff, 0x0f), 1000},
		"more tags than allowed":    {append(append(tagCount[:len(tagCount):len(tagCount)], maxTags+1), make([]byte, 2*(maxTags+1))...), 1000},
		"a tag longer than the end": {append(tagCount[:len(tagCount):len(tagCount)], 1, 9, 200), 1000},
		"an endless varint":         {append(tagCount[:len(tagCount):len(tagCount)], 0xff, 0xff, 0xff, 0xff, 0xff), 1000},
		"nothing at all":            {nil, 1000},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := scan{b: c.body, version: 12, flexible: true, elements: c.elements}
			if err := s.check(fetch); err == nil {
				t.Fatal("accepted")
			}
		})
	}
	metadata, err := parseSchema(schemas[3])
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		count    int32
		names    int
		elements int
		want     error
	}{
		"as many names as it says":  {3, 3, 3, nil},
		"more than allowed":         {3, 3, 2, errors.New("more elements in all its arrays than allowed")},
		"a count that lies":         {1 << 20, 3, 1 << 30, errCut},
		"a count beyond all bytes":  {1<<31 - 1, 3, 1 << 30, errCut},
		"a count below null":        {-2, 3, 10, errCut},
		"null":                      {-1, 0, 10, nil},
		"a count one above what is": {4, 3, 10, errCut},
	} {
		t.Run(name, func(t *testing.T) {
			b := binary.BigEndian.AppendUint32(nil, uint32(c.count))
			for range c.names {
				b = append(b, 0, 1, 'x')
			}
			s := scan{b: b, version: 0, elements: c.elements}
			if err := s.check(metadata); fmt.Sprint(err) != fmt.Sprint(c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestParseSchema_RefusesWhatIsNone(t *testing.T) {
	for _, s := range []string{"x", "(4", "4)", "4:a", "4:1-x", "4@", "*", "4 4:1+@z"} {
		if _, err := parseSchema(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

// What passes the walk is decoded by kmsg in time and memory in proportion to
// its bytes, whatever they are.
func FuzzScan(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, a := range byKey {
		if a == nil {
			continue
		}
		for v := a.min; v <= a.max; v++ {
			req := a.key.Request()
			req.SetVersion(v)
			fill(reflect.ValueOf(req).Elem(), r)
			f.Add(a.key.Int16(), v, req.AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		a := lookup(key)
		if a == nil || version < a.min || version > a.max {
			return
		}
		req := a.key.Request()
		req.SetVersion(version)
		s := scan{b: body, version: version, flexible: req.IsFlexible(), elements: 1000}
		if s.check(a.layout) != nil {
			return
		}
		started := time.Now()
		_ = req.ReadFrom(body) // a null where none may be is an error, which is well
		if took := time.Since(started); took > 5*time.Second {
			t.Fatalf("%s version %d: decoding %d bytes took %v", a.name(), version, len(body), took)
		}
	})
}
