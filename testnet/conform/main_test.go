package conform

import (
	"os"
	"testing"
	"time"

	"sotto/testnet/rig"
)

// patience bounds one wait. I2P opens a session in 20 to 40 s, and the second
// time when the first was not published.
const patience = 10 * time.Minute

var (
	lab    = &rig.Rig{Patience: patience}
	within = lab.Within
)

func TestMain(m *testing.M) { os.Exit(lab.Around(m).Run()) }
