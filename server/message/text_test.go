package message

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecode_Kinds(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      []byte
		kind    Kind
		preview string
	}{
		{"null", nil, Null, ""},
		{"empty", []byte{}, Empty, ""},
		{"text", []byte("hello\n  world"), String, "hello world"},
		{"json", []byte(`{"a":[1,2]}`), JSON, `{"a":[1,2]}`},
		{"a number is text", []byte("17"), String, "17"},
		{"broken json is text", []byte(`{"a":`), String, `{"a":`},
		{"not UTF-8", []byte{0xff, 0x00, 0x10}, Binary, "ff0010"},
		{"control characters", []byte("a\x00b"), Binary, "610062"},
		{"markup stays text", []byte("<b>"), String, "<b>"},
		{"long", []byte(strings.Repeat("x", 200)), String, strings.Repeat("x", previewRunes) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Decode(c.in, ListText)
			if got.Kind != c.kind || got.Preview != c.preview || got.Size != len(c.in) {
				t.Errorf("got %+v", got)
			}
			if got.Kind == Binary && got.Why == "" {
				t.Error("binary without a reason")
			}
		})
	}
	if got := Decode([]byte(`{"a":1}`), ListText).Text; got != "{\n  \"a\": 1\n}" {
		t.Errorf("not indented: %q", got)
	}
}

func TestDecode_LargeIsCutBetweenCharacters(t *testing.T) {
	in := []byte(strings.Repeat("x", ListText-1) + "€" + strings.Repeat("y", 10))
	got := Decode(in, ListText)
	if got.Kind != String || !utf8.ValidString(got.Text) || got.Cut != len(in)-(ListText-1) {
		t.Errorf("kind %s, %d bytes shown, %d cut", got.Kind, len(got.Text), got.Cut)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte{0xe2, 0x82})
	f.Fuzz(func(t *testing.T, b []byte) {
		got := Decode(b, ListText)
		if !utf8.ValidString(got.Text) || !utf8.ValidString(got.Preview) {
			t.Fatalf("%q became text that is not UTF-8", b)
		}
	})
}
