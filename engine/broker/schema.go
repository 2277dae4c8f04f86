package broker

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

//go:generate sh -c "go run schemagen.go \"$KAFKA_CLIENTS_JAR\" > schema_table.tmp && mv schema_table.tmp schema_table.go"

// layout is how a value lies on the wire.
type layout struct {
	kind   byte // one of the kinds below
	width  int  // fixed: bytes
	elem   *layout
	fields []fieldLayout
}

// The kinds of layout.
const (
	fixedKind  = 'f' // width bytes
	stringKind = 's' // length and bytes; the old encoding's length has two bytes
	bytesKind  = 'b' // length and bytes; the old encoding's length has four bytes
	arrayKind  = '*' // count and elem
	structKind = '(' // fields, and tags in flexible versions
	maybeKind  = '?' // a structure after a byte that says whether it is there
)

// fieldLayout is a field of a structure in versions from to to. A tag of 0 or
// more puts it among the tagged fields.
type fieldLayout struct {
	layout
	from, to int16
	tag      int
}

// parseSchema reads the notation of schemas: values separated by spaces; 1, 2,
// 4, 8 are that many bytes, u is 16, s a string, b bytes, *x an array of x,
// (…) a structure, ?(…) one that may be null; :3+, :0-2 or :0 after a value are
// its versions, @1 its tag.
func parseSchema(s string) (fields []fieldLayout, err error) {
	p := schemaParser{s: s}
	fields, err = p.fields()
	if err == nil && p.s != "" {
		err = fmt.Errorf("%q is left over", p.s)
	}
	if err != nil {
		return nil, fmt.Errorf("schema %q: %w", s, err)
	}
	return fields, nil
}

type schemaParser struct{ s string }

func (p *schemaParser) accept(prefix byte) bool {
	if p.s == "" || p.s[0] != prefix {
		return false
	}
	p.s = p.s[1:]
	return true
}

func (p *schemaParser) word() string {
	n := strings.IndexAny(p.s, " )@")
	if n < 0 {
		n = len(p.s)
	}
	w := p.s[:n]
	p.s = p.s[n:]
	return w
}

func (p *schemaParser) fields() (out []fieldLayout, err error) {
	for p.s != "" && p.s[0] != ')' {
		f := fieldLayout{to: math.MaxInt16, tag: -1}
		if f.layout, err = p.value(); err != nil {
			return nil, err
		}
		if p.accept(':') {
			if f.from, f.to, err = versions(p.word()); err != nil {
				return nil, err
			}
		}
		if p.accept('@') {
			if f.tag, err = strconv.Atoi(p.word()); err != nil {
				return nil, err
			}
		}
		out = append(out, f)
		p.accept(' ')
	}
	return out, nil
}

func (p *schemaParser) value() (layout, error) {
	if p.s == "" {
		return layout{}, fmt.Errorf("a value is missing")
	}
	c := p.s[0]
	p.s = p.s[1:]
	switch c {
	case '1', '2', '4', '8':
		return layout{kind: fixedKind, width: int(c - '0')}, nil
	case 'u':
		return layout{kind: fixedKind, width: 16}, nil
	case stringKind, bytesKind:
		return layout{kind: c}, nil
	case arrayKind:
		elem, err := p.value()
		return layout{kind: arrayKind, elem: &elem}, err
	case maybeKind:
		l, err := p.value()
		l.kind = maybeKind
		return l, err
	case structKind:
		fields, err := p.fields()
		if err == nil && !p.accept(')') {
			err = fmt.Errorf("a ) is missing")
		}
		return layout{kind: structKind, fields: fields}, err
	}
	return layout{}, fmt.Errorf("%q is no type", c)
}

// versions reads "3+", "0-2" or "0".
func versions(s string) (from, to int16, err error) {
	first, last, isRange := strings.Cut(s, "-")
	open := strings.HasSuffix(first, "+")
	a, err := strconv.ParseInt(strings.TrimSuffix(first, "+"), 10, 16)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case open:
		return int16(a), math.MaxInt16, nil
	case !isRange:
		return int16(a), int16(a), nil
	}
	b, err := strconv.ParseInt(last, 10, 16)
	return int16(a), int16(b), err
}
