package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// MaxSize is the largest configuration file that is read, in bytes.
const MaxSize = 64 << 10

// readFile returns the text of a file that nobody but its owner and root can
// change. It does not wait for the other end of a pipe.
func readFile(path string) ([]byte, error) {
	full, err := filepath.Abs(path)
	if err == nil {
		err = guarded(full)
	}
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	f, err := os.OpenFile(full, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{Where: path, Problem: "not a plain file"}
	}
	// Asked once more of the open file, which cannot be exchanged any more.
	if err := ownOnly(path, info); err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return raw, nil
}

// Parse reads the text of a file; name is used in errors only. Every error is
// a *Error.
func Parse(name string, raw []byte) (Config, error) {
	c, at, err := decode(name, raw)
	if err == nil {
		err = c.check()
	}
	if err == nil {
		return c, nil
	}
	if err.Where == "" {
		err.Where, err.Line = name, at[err.Key]
	}
	return Config{}, err
}

// decode reads the text of a file without judging its values. at is the line
// of each key and table that it holds.
func decode(name string, raw []byte) (c Config, at map[string]int, bad *Error) {
	if len(raw) > MaxSize {
		return c, nil, &Error{Where: name, Problem: fmt.Sprintf("larger than %d bytes", MaxSize)}
	}
	at, bad = lines(raw)
	if bad != nil {
		bad.Where = name
		return c, nil, bad
	}
	// The decoder takes State_Dir for state_dir; lines does not.
	if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&c); err != nil {
		return Config{}, nil, explain(name, err)
	}
	return c, at, nil
}

// lines finds where each key and table stands, 1-based. It stops without a word
// where the text is no TOML: that is the decoder's to say. It stops at what
// stands there twice, since to find a line costs as much as all before it.
func lines(raw []byte) (map[string]int, *Error) {
	at := map[string]int{}
	var p unstable.Parser
	p.Reset(raw)
	table := ""
	for p.NextExpression() {
		node := p.Expression()
		if node.Kind == unstable.KeyValue {
			if e := enter(&p, at, table, node); e != nil {
				return nil, e
			}
			continue
		}
		name, line := dotted(&p, node)
		if !isTable(name) && !(&Config{}).field(name).IsValid() {
			return nil, unknown(name, line)
		}
		if e := note(at, name, line); e != nil {
			return nil, e
		}
		table = name + "."
	}
	return at, nil
}

// enter notes the line of a key, or of those in an inline table.
func enter(p *unstable.Parser, at map[string]int, table string, node *unstable.Node) *Error {
	name, line := dotted(p, node)
	name = table + name
	switch value := node.Value(); {
	case (&Config{}).field(name).IsValid():
		return note(at, name, line)
	case !isTable(name):
		return unknown(name, line)
	case value.Kind == unstable.InlineTable:
		for it := value.Children(); it.Next(); {
			if e := enter(p, at, name+".", it.Node()); e != nil {
				return e
			}
		}
	}
	return nil
}

func note(at map[string]int, name string, line int) *Error {
	if first := at[name]; first > 0 {
		return &Error{Line: line, Key: name, Problem: fmt.Sprintf("stands in line %d already", first)}
	}
	at[name] = line
	return nil
}

func dotted(p *unstable.Parser, node *unstable.Node) (name string, line int) {
	var parts []string
	for it := node.Key(); it.Next(); {
		if len(parts) == 0 {
			line = p.Shape(it.Node().Raw).Start.Line
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), line
}

func unknown(key string, line int) *Error {
	return &Error{Line: line, Key: key, Problem: "unknown key",
		Remedy: "did you mean " + nearest(key, Keys()) + "?"}
}

// explain says what the decoder found in our words where it would speak of
// types of the program.
func explain(name string, err error) *Error {
	var bad *toml.DecodeError
	if !errors.As(err, &bad) {
		return &Error{Where: name, Problem: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	row, _ := bad.Position()
	e := &Error{Where: name, Line: row, Key: strings.Join(bad.Key(), "."),
		Problem: strings.TrimPrefix(bad.Error(), "toml: ")}
	if strings.HasPrefix(e.Problem, "cannot ") {
		e.Problem = "not " + (&Config{}).form(e.Key)
	}
	return e
}

// form says how the value of a key is written.
func (c *Config) form(key string) string {
	v := c.field(key)
	if !v.IsValid() {
		return "a table"
	}
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return `a list of texts in quotes, ["like", "this"]`
	}
	return "a text in quotes"
}
