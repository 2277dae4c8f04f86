//go:build !synctests

package sim_test

import (
	"os/exec"
	"testing"
)

// TestWithClients runs this package's tests again with franz-go clients in
// them; see the package's comment for why that takes a build tag.
func TestWithClients(t *testing.T) {
	args := []string{"test", "-tags", "synctests", "-count", "1"}
	if race {
		args = append(args, "-race")
	}
	if testing.Short() {
		args = append(args, "-short")
	}
	if testing.Verbose() {
		args = append(args, "-v")
	}
	out, err := exec.CommandContext(t.Context(), "go", append(args, ".")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go test -tags synctests ./engine/sim: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}
