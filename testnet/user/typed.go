package user

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// Type runs sotto to its end as the user types it, with the user's configuration
// and without --json, and returns what it prints on both outputs, in order. The
// error says that it could not be run, or that its exit code was not 0.
func (u *User) Type(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, u.desk.Sotto, append([]string{"--config", u.config()}, args...)...)
	cmd.Dir = u.Dir
	cmd.WaitDelay = 10 * time.Second
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = &CodeError{Code: exit.ExitCode(), Said: string(said)}
	}
	return string(said), err
}

// CodeError is an exit code that is not 0, with what sotto said.
type CodeError struct {
	Code int
	Said string
}

func (e *CodeError) Error() string { return fmt.Sprintf("exit code %d: %s", e.Code, e.Said) }
