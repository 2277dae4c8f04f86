// Package message reads the records of a topic for people: pages of them from
// any place in either direction, filtered, and the newest as they come.
//
// It owns how far a question may scan and how its answer says so, the cursors
// that pages are turned by, and the rules by which bytes become text. It reads
// through server/kafka and knows no HTTP.
package message
