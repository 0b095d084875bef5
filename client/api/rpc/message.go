package rpc

import (
	"bytes"
	"encoding/json"
	"strings"
)

const (
	maxDepth = 16  // arrays and objects within each other
	maxBatch = 64  // calls in one request
	maxID    = 256 // bytes of a JSON-RPC id or a tag
	maxPath  = 4096
	maxText  = 1024 // bytes of a name, label or group
)

// message is one call as it came in either dialect. Names in it are those of
// the modern dialect, whatever came.
type message struct {
	dialect dialect
	method  string
	args    *args
	id      json.RawMessage // of the modern dialect, or the tag of the old one; nil for none
	bad     *Error          // why it is not a call; nil for one
}

// A notification is a modern call that wants no answer.
func (m message) notification() bool {
	return m.dialect == modern && m.id == nil && m.bad == nil
}

// parse reads a request's body: one call, or in the modern dialect a list.
//
// A text that is no JSON is answered in the old dialect, whose clients look
// at nothing but its result.
func parse(body []byte) (calls []message, batch bool) {
	body = bytes.TrimSpace(body)
	if tooDeep(body) || !json.Valid(body) {
		return []message{{bad: &Error{CodeParse, "no method name: the request is not JSON, or nested too deeply"}}}, false
	}
	if len(body) == 0 || body[0] != '[' {
		return []message{parseOne(body)}, false
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil || len(list) == 0 || len(list) > maxBatch {
		return []message{{dialect: modern, bad: &Error{CodeInvalidRequest, "a list of calls must have 1 to 64 of them"}}}, false
	}
	for _, one := range list {
		m := parseOne(one)
		if m.dialect != modern { // only the modern dialect has lists
			m = message{dialect: modern, bad: &Error{CodeInvalidRequest, "not a JSON-RPC 2.0 call"}}
		}
		calls = append(calls, m)
	}
	return calls, true
}

func parseOne(raw []byte) message {
	// A map, because encoding/json would take "Method" for "method" in a
	// struct, and others that look at the request would not.
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil || top == nil {
		return message{bad: &Error{CodeInvalidRequest, "no method name"}}
	}
	m := message{dialect: legacy, id: top["tag"]}
	arguments := top["arguments"]
	if version, ok := top["jsonrpc"]; ok {
		m.dialect, m.id, arguments = modern, top["id"], top["params"]
		if string(version) != `"2.0"` {
			m.bad = &Error{CodeInvalidRequest, "not JSON-RPC 2.0"}
		}
	}
	if !m.idOK() {
		m.id = nil
		if m.dialect == modern {
			m.bad = &Error{CodeInvalidRequest, "the id must be a number or a short text"}
		}
	}
	var name string
	if json.Unmarshal(top["method"], &name) != nil || name == "" {
		m.bad = &Error{CodeInvalidRequest, "no method name"}
	}
	m.method = snake(name)
	m.args = newArgs(arguments)
	return m
}

// idOK: tags are echoed digit by digit, since some clients send more of them
// than a float64 holds.
func (m message) idOK() bool {
	if len(m.id) > maxID {
		return false
	}
	if len(m.id) == 0 {
		return true
	}
	switch c := m.id[0]; {
	case c == '-' || '0' <= c && c <= '9':
		return true
	case c == '"' || c == 'n':
		return m.dialect == modern
	}
	return false
}

// answer appends what the caller gets for m.
func (m message) answer(b []byte, result object, err *Error) []byte {
	if m.dialect == legacy {
		text := "success"
		if err != nil {
			text, result = err.Text, nil
		}
		out := object{{"arguments", result}, {"result", text}}
		if m.id != nil {
			out = append(out, pair{"tag", m.id})
		}
		return legacy.append(b, out)
	}
	id := m.id
	if id == nil {
		id = json.RawMessage("null")
	}
	out := object{{"jsonrpc", "2.0"}, {"id", id}}
	if err == nil {
		return modern.append(b, append(out, pair{"result", result}))
	}
	return modern.append(b, append(out, pair{"error", object{
		{"code", int(err.Code)},
		{"message", codeText[err.Code]},
		{"data", object{{"errorString", err.Text}}},
	}}))
}

// tooDeep reports whether arrays and objects lie deeper in each other than any
// call needs, before a parser recurses into them.
func tooDeep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// snake returns the modern spelling of a name: "downloadDir" and
// "download-dir" become "download_dir", "isUTP" becomes "is_utp".
func snake(name string) string {
	if len(name) > maxText {
		return ""
	}
	var b strings.Builder
	upper := true // the letter before was a capital, or there was none
	for _, r := range name {
		switch {
		case r == '-':
			b.WriteByte('_')
			upper = true
		case 'A' <= r && r <= 'Z':
			if !upper {
				b.WriteByte('_')
			}
			b.WriteRune(r + 'a' - 'A')
			upper = true
		default:
			b.WriteRune(r)
			upper = false
		}
	}
	return b.String()
}
