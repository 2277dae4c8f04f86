package storage

import "sync/atomic"

// list is a list that one goroutine appends to while others read it without
// a lock. The zero value is empty.
type list[T any] struct {
	n   atomic.Int64
	arr atomic.Pointer[[]T]
}

// add appends v. Only one goroutine at a time may call it.
func (l *list[T]) add(v T) {
	n := l.n.Load()
	arr := l.arr.Load()
	if arr == nil || int(n) == len(*arr) {
		grown := make([]T, max(8, 2*n))
		if arr != nil {
			copy(grown, *arr)
		}
		arr = &grown
		l.arr.Store(arr)
	}
	(*arr)[n] = v
	// Readers see n before the element only if they load n before it is stored.
	l.n.Store(n + 1)
}

// view returns what is in the list now. It must not be changed.
func (l *list[T]) view() []T {
	n := l.n.Load()
	if n == 0 {
		return nil
	}
	return (*l.arr.Load())[:n:n]
}
