package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Count returns n with a thousands separator that never breaks a line.
func Count[N ~int | ~int32 | ~int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "−", s[1:]
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return sign + b.String()
}

// Bytes returns n bytes in units of 1,024 with one decimal.
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + units[i:i+1] + "iB"
}

// Millis returns a duration of ms milliseconds in its largest whole unit; −1 is
// Kafka's word for no limit.
func Millis(ms int64) string {
	if ms == -1 {
		return "infinite"
	}
	for _, u := range []struct {
		ms   int64
		name string
	}{{7 * 86_400_000, "w"}, {86_400_000, "d"}, {3_600_000, "h"}, {60_000, "min"}, {1000, "s"}} {
		if ms != 0 && ms%u.ms == 0 && !(u.name == "w" && ms/u.ms < 2) {
			return strconv.FormatInt(ms/u.ms, 10) + " " + u.name
		}
	}
	return Count(ms) + " ms"
}

// Time returns t to the millisecond, in UTC as ISO 8601 has it.
func Time(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// Clock returns t for the eye: date and time to the millisecond, in UTC.
func Clock(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}

// Elapsed returns how long something took.
func Elapsed(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "under 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Plural returns n and the word that agrees with it.
func Plural[N ~int | ~int32 | ~int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Letter returns the letter and the colour class of the broker at place i of
// the cluster's brokers in the order of their ids; from the ninth on they come
// again.
func Letter(i int) string { return string(rune('a' + i%8)) }
