package playground

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rrIntervals is a real recording of the time between heart beats, in
// milliseconds, one a line: about an hour. Its source is in NOTICE.
//
//go:embed data/rr-intervals-nsr.txt
var rrIntervals string

// Attribution names where the heart-rate recording comes from. It is shown
// wherever the demo is.
const Attribution = "Real heart beats: MIT-BIH Normal Sinus Rhythm Database (PhysioNet, ODC-By 1.0), by way of pyhrv. " +
	"All wearers are one recording, replayed from different moments."

// recording returns the intervals between heart beats.
var recording = sync.OnceValues(func() ([]time.Duration, error) {
	lines := strings.Fields(rrIntervals)
	out := make([]time.Duration, len(lines))
	for i, line := range lines {
		ms, err := strconv.Atoi(line)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("line %d of the heart-rate recording is %q, not a number of milliseconds", i+1, line)
		}
		out[i] = time.Duration(ms) * time.Millisecond
	}
	return out, nil
})

// bpm is the heart rate in beats a minute that an interval between two beats means.
func bpm(interval time.Duration) float64 { return float64(time.Minute) / float64(interval) }
