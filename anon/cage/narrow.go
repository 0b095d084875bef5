package cage

// Reach is what the broker still needs of the network. Zero: unix sockets only.
type Reach struct {
	// Ports are the TCP ports that it may connect to, where the kernel can tell
	// ports apart; with none it can make no internet socket at all.
	Ports []uint16
	// Programs: it will start a router, which inherits what is taken from the
	// broker. Then nothing is taken that tor or its pluggable transports use:
	// TCP and UDP stay, and Ports is not enforced.
	Programs bool
}

// Narrowed says what Narrow took.
type Narrowed struct {
	Calls   bool     `json:"calls"`             // system calls and kinds of sockets
	Ports   bool     `json:"ports"`             // TCP connections elsewhere than to Reach.Ports
	Missing []string `json:"missing,omitempty"` // what could not be taken, and why
}
