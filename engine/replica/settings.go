package replica

import (
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
)

// configOf returns the settings that a topic's logs obey.
func configOf(img *metadata.Image, t *metadata.Topic) storage.Config {
	return storage.DefaultConfig()
}
