//go:build !linux

package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// errSystem: macOS has no unix sockets that keep messages apart, Windows none
// that carry descriptors.
var errSystem = fmt.Errorf("broker: %w on this system", errors.ErrUnsupported)

type link struct{ *net.UnixConn }

func pair() (broker, engine *os.File, err error) { return nil, nil, errSystem }
func newLink(f *os.File) (link, error)           { return link{}, errors.Join(errSystem, f.Close()) }
func adopt(f *os.File, _ string) (*net.UnixConn, error) {
	return nil, errors.Join(errSystem, f.Close())
}
func (link) send([]byte) error                           { return errSystem }
func (link) sendStream([]byte) (*net.UnixConn, error)    { return nil, errSystem }
func (link) receive([]byte, bool) (int, *os.File, error) { return 0, nil, errSystem }
func (link) within(time.Duration)                        {}
func waitHangup(*net.UnixConn)                           {}
func hungUp(*net.UnixConn) bool                          { return true }
