package broker

import "github.com/logarium/logarium/engine/metadata"

// electCoordinators makes the group coordinators follow the leaders of
// __consumer_offsets.
func (b *Broker) electCoordinators(img *metadata.Image, d *metadata.Delta) {}
