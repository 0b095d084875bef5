package rpc

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// dialect is one of the two spellings of the RPC.
type dialect int

const (
	legacy dialect = iota // up to Transmission 4.0: "download-dir", "downloadDir"
	modern                // from 4.1: JSON-RPC 2.0, "download_dir"
)

// What is said of the dialects. Some remotes change their behaviour by them.
const (
	rpcVersion        = 17
	rpcVersionMinimum = 14
	rpcSemver         = "5.3.0"
	modernVersion     = 18
	// likeTransmission is the version that remotes parse: they know programs
	// by numbers like this.
	likeTransmission = "4.0.6"
)

// ModernSemver is the version of the JSON-RPC dialect. Clients of Transmission
// 4.1 look for it in a header before they speak it.
const ModernSemver = "6.0.0"

// object is a JSON object that keeps its order. Keys have their legacy
// spelling, and are written in that of the dialect.
type object []pair

type pair struct {
	key   string
	value any
}

// named is an object whose keys are written as they stand.
type named []pair

// append writes v as JSON. It knows the types that answers are made of; times
// become seconds since 1970, 0 for the zero time.
func (d dialect) append(b []byte, v any) []byte {
	switch v := v.(type) {
	case object:
		return d.appendPairs(b, v, d == modern)
	case named:
		return d.appendPairs(b, v, false)
	case []object:
		return appendList(d, b, v)
	case []named:
		return appendList(d, b, v)
	case []any:
		return appendList(d, b, v)
	case [][]any:
		return appendList(d, b, v)
	case []string:
		return appendList(d, b, v)
	case []int:
		return appendList(d, b, v)
	case []int64:
		return appendList(d, b, v)
	case json.RawMessage:
		return append(b, v...)
	case string:
		return appendText(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return appendShare(b, v)
	case time.Time:
		if v.IsZero() {
			return append(b, '0')
		}
		return strconv.AppendInt(b, v.Unix(), 10)
	}
	return append(b, "null"...) // no answer holds anything else
}

func (d dialect) appendPairs(b []byte, pairs []pair, respell bool) []byte {
	b = append(b, '{')
	for i, p := range pairs {
		if i > 0 {
			b = append(b, ',')
		}
		key := p.key
		if respell {
			key = snake(key)
		}
		b = append(appendText(b, key), ':')
		b = d.append(b, p.value)
	}
	return append(b, '}')
}

func appendList[T any](d dialect, b []byte, list []T) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = d.append(b, v)
	}
	return append(b, ']')
}

// appendShare writes ratios and shares with the four decimals that remotes
// show. JSON has no infinity: that is -2 to them, and what is not a number -1.
func appendShare(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		v = -1
	case math.IsInf(v, 0):
		v = -2
	}
	return strconv.AppendFloat(b, math.Round(v*1e4)/1e4, 'f', -1, 64)
}

// appendText leaves nothing in a text that a browser could take for HTML.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // cannot fail for a string
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
