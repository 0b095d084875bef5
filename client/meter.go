package client

import "time"

// meter turns a growing count into a rate over the last few seconds. It has
// no clock of its own. The zero meter has seen nothing.
type meter struct {
	at    [meterSlots]time.Time
	count [meterSlots]int64
	next  int
}

// meterSlots samples of about a second each smooth a network where bytes come
// in bursts of a round trip.
const meterSlots = 10

// rate notes that the count is n at now, and returns its growth a second since
// the oldest sample; 0 while there is none.
func (m *meter) rate(now time.Time, n int64) float64 {
	oldest := m.next
	if m.at[oldest].IsZero() {
		oldest = 0
	}
	since, before := m.at[oldest], m.count[oldest]
	m.at[m.next], m.count[m.next] = now, n
	m.next = (m.next + 1) % meterSlots
	elapsed := now.Sub(since).Seconds()
	if since.IsZero() || elapsed <= 0 {
		return 0
	}
	return float64(n-before) / elapsed
}
