package sim

import _ "github.com/anishathalye/porcupine" // the checker of the log as a register
