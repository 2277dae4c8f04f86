// Package inspect looks at a data folder that no process has open, and at one
// that is in use if told to: Dump says what is in it, Verify whether it is as it
// should be. It never writes, repairs or locks anything for longer than it
// looks.
//
// It owns the description of a data folder in words and as JSON
// (docs/log-tools.md), and the scans that judge it. It reads batches by itself,
// so that it does not rely on what it judges; the small files it reads with the
// decoders of the packages that write them. It may import batch, storage,
// metadata, controller, coordinator/group, journal and vfs. It starts no
// goroutine, and takes memory by the size of a batch, not of the folder.
package inspect
