package inspect

import (
	"errors"
	"fmt"

	"github.com/logarium/logarium/engine/vfs"
)

// readIdentity reads whose a broker's folder is. The file has no checksum: it
// must be exactly as it is written.
func readIdentity(fsys vfs.FS, dir string) (cluster string, node int32, err error) {
	raw, err := vfs.ReadFile(fsys, dir+"/"+identityFile)
	if err != nil {
		return "", 0, err
	}
	if _, err := fmt.Sscanf(string(raw), identityFormat, &cluster, &node); err != nil || fmt.Sprintf(identityFormat, cluster, node) != string(raw) {
		return "", 0, errors.New("it does not say version, cluster and node as it is written")
	}
	return cluster, node, nil
}
