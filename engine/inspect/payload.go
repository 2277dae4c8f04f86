package inspect

import (
	"encoding/hex"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Format says how the bytes of keys, values and headers are shown.
type Format string

// The formats.
const (
	FormatAuto Format = "auto" // as text where they are one, else in hexadecimal
	FormatText Format = "text"
	FormatHex  Format = "hex"
)

// Payload is a key or value as it is shown. A null one is a nil *Payload.
type Payload struct {
	Size int     `json:"size"`           // bytes there are
	Text *string `json:"text,omitempty"` // either this
	Hex  *string `json:"hex,omitempty"`  // or this
	Cut  int     `json:"cut,omitempty"`  // bytes left out at the end
}

// show makes a Payload of at most most bytes; most < 0 is all.
func (f Format) show(b []byte, most int) *Payload {
	if b == nil {
		return nil
	}
	p := &Payload{Size: len(b)}
	text := f == FormatText || f == FormatAuto && utf8.Valid(b)
	if most >= 0 && len(b) > most {
		b = b[:most]
		for cut := 0; f == FormatAuto && text && cut < utf8.UTFMax && !utf8.Valid(b); cut++ {
			b = b[:len(b)-1] // not within a character
		}
		p.Cut = p.Size - len(b)
	}
	if text {
		s := string(b)
		p.Text = &s
		return p
	}
	s := hex.EncodeToString(b)
	p.Hex = &s
	return p
}

// String shows the bytes on one line, and nothing in them moves the cursor of a
// terminal, changes its colours or turns the direction of writing.
func (p *Payload) String() string {
	switch {
	case p == nil:
		return "null"
	case p.Hex != nil:
		return "0x" + *p.Hex + p.dots()
	}
	return safe(*p.Text) + p.dots()
}

func (p *Payload) dots() string {
	if p.Cut == 0 {
		return ""
	}
	return "… (" + strconv.Itoa(p.Cut) + " more bytes)"
}

// safe quotes a text that has anything in it that does not print.
func safe(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError || r == '"' || r == '\\' {
			return strconv.QuoteToGraphic(s)
		}
	}
	return s
}
