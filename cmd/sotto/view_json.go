package main

import (
	"encoding/json"

	"sotto/anon"
	"sotto/client"
)

// jsonView prints each event as one line. The keys are a promise: they are
// added to, not changed.
type jsonView struct {
	enc  *json.Encoder
	gone func(error) // told why a line could not be written
}

type jsonEvent struct {
	Event    string   `json:"event"`
	Network  string   `json:"network,omitempty"`
	Networks []string `json:"networks,omitempty"`
	Why      string   `json:"why,omitempty"`
	Phase    string   `json:"phase,omitempty"`
	Name     string   `json:"name,omitempty"`
	Magnet   string   `json:"magnet,omitempty"`
	InfoHash string   `json:"info_hash,omitempty"`
	Path     string   `json:"path,omitempty"`
	Done     int64    `json:"done,omitempty"`     // bytes
	Total    int64    `json:"total,omitempty"`    // bytes
	Received int64    `json:"received,omitempty"` // bytes
	Sent     int64    `json:"sent,omitempty"`     // bytes
	Rate     int64    `json:"rate,omitempty"`     // bytes a second
	Left     int64    `json:"left,omitempty"`     // seconds
	Took     float64  `json:"took,omitempty"`     // seconds
	Peers    int      `json:"peers,omitempty"`
	WebSeeds int      `json:"web_seeds,omitempty"`
}

func (v jsonView) show(e client.Event) {
	if j := toJSON(e); j.Event != "" {
		if err := v.enc.Encode(j); err != nil {
			v.gone(err)
		}
	}
}

func (jsonView) close() {}

func toJSON(e client.Event) jsonEvent {
	switch e := e.(type) {
	case client.Opening:
		return jsonEvent{Event: "opening", Network: e.Network.String(), Why: e.Note}
	case client.Opened:
		return jsonEvent{Event: "opened", Network: e.Network.String()}
	case client.PassedOver:
		return jsonEvent{Event: "passed_over", Network: e.Network.String(), Why: e.Err.Error()}
	case client.Hashing:
		return jsonEvent{Event: "hashing", Done: e.Done, Total: e.Total}
	case client.Sharing:
		return sharingJSON(e)
	case client.Progress:
		return jsonEvent{Event: "progress", Network: networkName(e.Network), Phase: string(e.Phase),
			Done: e.Done, Total: e.Total, Received: e.Received, Sent: e.Sent, Rate: int64(e.Rate),
			Left: int64(e.Left.Seconds()), Peers: e.Peers, WebSeeds: e.WebSeeds, Why: e.Trouble}
	case client.Finished:
		return jsonEvent{Event: "finished", Network: networkName(e.Network), Path: e.Path, Done: e.Bytes,
			Total: e.Bytes, Received: e.Received, Took: e.Took.Seconds()}
	}
	return jsonEvent{}
}

// networkName is "" where a daemon may use several.
func networkName(n anon.Network) string {
	if n == 0 {
		return ""
	}
	return n.String()
}

func sharingJSON(e client.Sharing) jsonEvent {
	j := jsonEvent{Event: "sharing", Name: e.Info.Name, Magnet: e.Link.Magnet(), Total: e.Info.Length}
	for _, n := range e.Networks {
		j.Networks = append(j.Networks, n.String())
	}
	return j
}
