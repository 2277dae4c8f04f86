// Package batch knows Kafka's record batch, version 2 (KIP-98), as bytes:
// header, checksum, validation of what a client sent, iteration over records,
// and a builder for the batches that the broker writes itself. It knows bytes,
// not files, and has no goroutine, no clock and no I/O.
//
// It may import the standard library, kerr and the compression codecs.
package batch
