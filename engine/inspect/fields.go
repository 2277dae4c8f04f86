package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/logarium/logarium/engine/metadata"
)

// field is a field of a record by its name in JSON.
type field struct {
	name  string
	value any
}

// fields are those of a metadata record, in the order of docs/format/metadata.md.
type fields []field

// recordName is the name of a record's type.
func recordName(r metadata.Record) string {
	return strings.TrimSuffix(reflect.TypeOf(r).Name(), "Record")
}

// recordFields lists what is in a record. It goes by the record's Go type, so
// that a new kind of record is shown without a change here.
func recordFields(r metadata.Record) fields { return structFields(reflect.ValueOf(r)) }

func structFields(v reflect.Value) fields {
	var out fields
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			out = append(out, field{jsonName(f.Name), plain(v.Field(i))})
		}
	}
	return out
}

// plain turns a value into one that JSON shows as people write it.
func plain(v reflect.Value) any {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	switch v.Kind() {
	case reflect.Struct:
		return structFields(v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plain(v.Index(i))
		}
		return out
	}
	return v.Interface()
}

// jsonName writes a Go name in lower camel case: TopicID is topicId, ISR is isr.
func jsonName(name string) string {
	var out strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		inWord := i > 0 && unicode.IsUpper(runes[i-1]) && (i+1 == len(runes) || unicode.IsUpper(runes[i+1]))
		if i == 0 || inWord {
			r = unicode.ToLower(r)
		}
		out.WriteRune(r)
	}
	return out.String()
}

// MarshalJSON implements json.Marshaler.
func (f fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, x := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(x.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", x.name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// String shows the fields on one line.
func (f fields) String() string {
	parts := make([]string, len(f))
	for i, x := range f {
		parts[i] = x.name + ": " + words(x.value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func words(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		return safe(v)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = words(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}
