package message

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is what the bytes of a key, a value or a header turned out to be.
type Kind string

// The kinds.
const (
	Null   Kind = "null"   // there is none: not the same as an empty one
	Empty  Kind = "empty"  // zero bytes
	JSON   Kind = "json"   // a JSON object or array
	String Kind = "text"   // UTF-8
	Binary Kind = "binary" // anything else, shown as a hex dump
)

// Text is bytes as a person reads them.
type Text struct {
	Kind    Kind
	Size    int    // bytes of the original
	Text    string // for reading: JSON indented, binary as a hex dump
	Preview string // one line of at most previewRunes
	Cut     int    // bytes of the original that Text leaves out
	Why     string // why it is shown as binary
}

const (
	// previewRunes bounds the one line of a table.
	previewRunes = 160
	// ListText and PageText are how many bytes of a key or value a list of
	// records and the page of one record show; more is in the record's download.
	ListText = 4 << 10
	PageText = 256 << 10
	// maxDump is how many bytes a hex dump shows; it takes four characters each.
	maxDump = 2 << 10
)

// Decode turns bytes into text and shows at most limit bytes of them.
func Decode(b []byte, limit int) Text {
	t := Text{Size: len(b)}
	switch {
	case b == nil:
		t.Kind = Null
		return t
	case len(b) == 0:
		t.Kind = Empty
		return t
	}
	shown := b
	if len(shown) > limit {
		shown = cutUTF8(shown[:limit])
	}
	if at := notText(shown); at >= 0 {
		t.Kind, t.Why = Binary, "It is not UTF-8 text."
		if utf8.Valid(shown) {
			t.Why = "It holds control characters."
		}
		shown = b[:min(len(b), maxDump, limit)]
		t.Text = hex.Dump(shown)
		t.Preview = hex.EncodeToString(b[:min(len(b), previewRunes/4)])
		t.Cut = len(b) - len(shown)
		return t
	}
	t.Kind, t.Text, t.Cut = String, string(shown), len(b)-len(shown)
	t.Preview = oneLine(shown)
	if t.Cut == 0 {
		if pretty, ok := indent(b); ok {
			t.Kind, t.Text = JSON, pretty
		}
	}
	return t
}

// cutUTF8 drops a character that was cut in two at the end.
func cutUTF8(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// notText returns where b stops being text, −1 if all of it is.
func notText(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return i
		}
		i += size
	}
	return -1
}

func indent(b []byte) (string, bool) {
	if trimmed := bytes.TrimSpace(b); len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
		return "", false
	}
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		return "", false
	}
	return out.String(), true
}

// oneLine returns the beginning of b with runs of white space made one space.
func oneLine(b []byte) string {
	var line strings.Builder
	n, space := 0, false
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		i += size
		if unicode.IsSpace(r) {
			space = n > 0
			continue
		}
		if space {
			line.WriteByte(' ')
			n, space = n+1, false
		}
		if n >= previewRunes {
			line.WriteRune('…')
			break
		}
		line.WriteRune(r)
		n++
	}
	return line.String()
}
