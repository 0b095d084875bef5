package i2p

import (
	"testing"
	"time"

	"sotto/transport"
	"sotto/transport/transporttest"
)

func TestConformance(t *testing.T) {
	r := router(t)
	transporttest.Run(t, transporttest.Factory{
		Make: func(t *testing.T) (a, b transport.Transport) {
			return client(t, r), client(t, r)
		},
		DialTimeout: 5 * time.Second,
		LazyDial:    true,
		OwnsSockets: true,
	})
}
