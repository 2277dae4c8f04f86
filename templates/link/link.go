// Package link builds and takes apart the addresses of the console's pages.
//
// It owns the one rule by which a name becomes a part of a path: group ids hold
// anything, slashes, dots and control characters included, so nothing else in
// the console puts a name into an address. It imports the standard library
// alone.
package link

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// escape marks a name that a browser would lose or change inside a path: an
// empty one, and "." and "..", which browsers resolve even when they are
// percent-encoded. A name that begins with the mark gets it once more.
const escape = "~"

// Segment returns name as one part of a path.
func Segment(name string) string {
	if name == "" || name == "." || name == ".." || strings.HasPrefix(name, escape) {
		name = escape + name
	}
	return url.PathEscape(name)
}

// Name is the inverse of Segment.
func Name(segment string) (string, error) {
	name, err := url.PathUnescape(segment)
	if err != nil {
		return "", fmt.Errorf("the address holds a broken percent sign: %w", err)
	}
	return strings.TrimPrefix(name, escape), nil
}

// To returns the address of a page: its parts, each encoded by Segment.
func To(parts ...string) string {
	if len(parts) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(Segment(part))
	}
	return b.String()
}

// Topic returns the address of a topic's page, or of one of its tabs.
func Topic(name string, tab ...string) string {
	return To(append([]string{"topics", name}, tab...)...)
}

// Record returns the address of one record.
func Record(topic string, partition int32, offset int64) string {
	return To("topics", topic, "partitions", strconv.Itoa(int(partition)), "offsets", strconv.FormatInt(offset, 10))
}

// Group returns the address of a consumer group's page.
func Group(name string) string { return To("groups", name) }

// Broker returns the address of a broker's page, or of a form below it.
func Broker(id int32, form ...string) string {
	return To(append([]string{"brokers", strconv.Itoa(int(id))}, form...)...)
}

// With returns the address path with a query of the given names and values;
// empty values are left out.
func With(path string, namesAndValues ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] != "" {
			q.Add(namesAndValues[i], namesAndValues[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// Local returns next if it is the address of a page of this console, and
// otherwise fallback: a redirect never leads elsewhere.
func Local(next, fallback string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" {
		return fallback
	}
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return fallback
	}
	return next
}
