// Package ui holds the parts that pages are put together from, and the rules by
// which figures become words: bytes, counts, durations, times.
//
// It owns no page and knows no cluster. It imports the standard library and
// templ alone.
package ui
