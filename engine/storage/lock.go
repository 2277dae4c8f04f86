package storage

// lock is a mutual exclusion lock on a channel. The disk below a log may be a
// slow one, whose calls sleep: in a testing/synctest bubble virtual time goes
// on while others wait for a channel, but not while they wait for a
// sync.Mutex.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) lock()   { l <- struct{}{} }
func (l lock) unlock() { <-l }

// tryLock takes the lock if it is free.
func (l lock) tryLock() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}
