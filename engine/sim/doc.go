// Package sim is for tests that run whole clusters in virtual time: every
// broker on a disk that can crash, all of them and real Kafka clients on a
// network in memory, and everything that is left to chance decided by one
// seed. It owns the world around a cluster, not the cluster. It is imported by
// tests alone, and may import engine, netx and vfs.
//
// # Virtual time
//
// A test runs in a bubble of testing/synctest: time stands still while any
// goroutine can go on, and jumps to the next timer when all wait. A goroutine
// that waits for a channel, a timer, a sync.Cond or the network of netx.Mem
// counts as waiting; one that waits for a sync.Mutex or sync.RWMutex does not.
// Code that holds a lock while it waits therefore hangs the bubble as soon as
// another goroutine wants that lock. This engine never does so. franz-go's
// client does, in its group consumer for one, which shows when a broker goes
// away; it has locks made of channels under the build tag synctests, of its
// own making. So tests with franz-go clients are in files with that tag:
//
//	go test -tags synctests ./engine/sim              # one seed of each profile
//	go test -tags synctests ./engine/sim -seeds 200
//	go test -tags synctests ./engine/sim -for 10m
//
// A seed that fails prints the command that plays it again.
//
// Without the tag there is one test, which runs that command, so that
// go test ./... leaves nothing out.
//
// # A run
//
// A run is one seed of one profile, which is a kind of trouble. Producers,
// groups, browsers and the clients of a register work on a few topics while
// faults strike one after the other; then all is healed, the cluster must come
// to rest in bounded time, everything is read and held against what was seen
// before, the replicas' files are compared, and all is read once more after a
// restart. The rules are in engine/sim/check.
//
// # What a seed decides
//
// Faults, crashes and workloads come from the seed. The order of goroutines
// does not, so a seed finds most failures again, not all.
//
// # Seen to fire
//
// Each was broken on purpose, and this is what was told:
//
//	acknowledged before the sync            one-value, duplicate, read-lost, poll-skip
//	producers not rebuilt at the start      duplicate
//	high watermark without followers        one-value, duplicate, read-lost, poll-skip
//	leader from outside of the ISR          read-lost
//
// The other rules were seen to fire on histories made by hand, in engine/sim/check.
package sim
