package replica

// lock is a mutual exclusion lock on a channel, for what is held over calls of
// a disk: in a testing/synctest bubble virtual time goes on while others wait
// for a channel, but not while they wait for a sync.Mutex.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) lock()   { l <- struct{}{} }
func (l lock) unlock() { <-l }
