//go:build !race && !synctests

package sim_test

// race is whether the race detector is on.
const race = false
