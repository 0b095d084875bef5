package config

import (
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// Sources are where settings come from. A flag wins over the environment, that
// over the file, and the file over a default.
type Sources struct {
	// File is the path of the file, which must exist. Empty means none.
	File string
	// Environ is the environment as "NAME=value". Names that do not begin with
	// SOTTO_ are somebody else's; any other must be the Variable of a key.
	Environ []string
	Flags   []Flag
	// Default is what an empty setting means. It is not judged.
	Default Config
}

// Flag is a setting on the command line, in the form of the environment.
type Flag struct {
	Name  string // as the user wrote it, "--state-dir"
	Key   string // one of Keys
	Value string
}

// Settings are a whole configuration and where each part of it comes from.
type Settings struct {
	Config Config
	origin map[string]Origin // by key; a default has none
}

// Setting is one key of it.
type Setting struct {
	Key    string
	Value  any // string, int, bool or []string
	Origin Origin
}

// String is the setting as a line of the file, with the whole key.
func (s Setting) String() string {
	raw, _ := toml.Marshal(map[string]any{"v": s.Value}) // texts, numbers and booleans
	return s.Key + strings.TrimPrefix(strings.TrimSpace(string(raw)), "v")
}

// Origin is where a value comes from.
type Origin struct {
	From string // "default", "file", "environment", "flag"
	Name string // of the file, the variable or the flag
	Line int    // in the file, 1-based
}

// Load puts the settings together and judges the whole. A file that is not
// there is fs.ErrNotExist, one that others can write ErrExposed; what is wrong
// in a setting is a *Error that names the place that must be mended.
func Load(from Sources) (*Settings, error) {
	s := &Settings{origin: map[string]Origin{}}
	if from.File != "" {
		if err := s.file(from.File); err != nil {
			return nil, err
		}
	}
	if err := s.environ(from.Environ); err != nil {
		return nil, err
	}
	for _, f := range from.Flags {
		if problem := s.set(f.Key, f.Value, Origin{From: "flag", Name: f.Name}); problem != "" {
			return nil, &Error{Where: "command line", Key: f.Name, Problem: problem}
		}
	}
	if e := s.Config.check(); e != nil {
		return nil, s.blame(e)
	}
	s.fill(from.Default)
	return s, nil
}

// List returns every setting in the order of the example file. The caller must
// not change the values.
func (s *Settings) List() []Setting {
	var all []Setting
	walk(reflect.ValueOf(&s.Config).Elem(), "", func(key string, v reflect.Value) {
		origin, ok := s.origin[key]
		if !ok {
			origin.From = "default"
		}
		value := v.Interface()
		if list, ok := value.([]string); ok && list == nil {
			value = []string{} // so that JSON says [], not null
		}
		all = append(all, Setting{Key: key, Value: value, Origin: origin})
	})
	return all
}

func (s *Settings) file(path string) error {
	raw, err := readFile(path)
	if err != nil {
		return err
	}
	c, at, bad := decode(path, raw)
	if bad != nil {
		return bad
	}
	s.Config = c
	for key, line := range at {
		s.origin[key] = Origin{From: "file", Name: path, Line: line}
	}
	return nil
}

// set gives a key a value that is written as text. What it returns is what is
// wrong with it; "" is nothing.
func (s *Settings) set(key, value string, origin Origin) (problem string) {
	if !utf8.ValidString(value) {
		return "not valid UTF-8"
	}
	v := s.Config.field(key)
	switch v.Kind() {
	case reflect.Bool:
		if value != "true" && value != "false" {
			return "not " + s.Config.form(key)
		}
		v.SetBool(value == "true")
	case reflect.Int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return "not " + s.Config.form(key)
		}
		v.SetInt(int64(n))
	case reflect.Slice:
		v.Set(reflect.ValueOf(filepath.SplitList(value)))
	case reflect.String:
		v.SetString(value)
	default:
		return "unknown key"
	}
	s.origin[key] = origin
	return ""
}

// blame turns the key of a problem into the place where it was set.
func (s *Settings) blame(e *Error) *Error {
	switch o := s.origin[e.Key]; o.From {
	case "file":
		e.Where, e.Line = o.Name, o.Line
	case "environment":
		e.Where, e.Key = o.From, o.Name
	case "flag":
		e.Where, e.Key = "command line", o.Name
	}
	return e
}

// fill puts defaults where a setting is empty. One that was set to nothing
// keeps its origin: it means the default, and somebody said so.
func (s *Settings) fill(d Config) {
	walk(reflect.ValueOf(&s.Config).Elem(), "", func(key string, v reflect.Value) {
		if v.IsZero() {
			v.Set(d.field(key))
		}
	})
}
