package config

import (
	"bytes"
	"reflect"
	"sort"
	"strings"
)

// Keys returns every key of the file, dotted and sorted.
func Keys() []string {
	keys := keysOf(reflect.TypeFor[Config](), "")
	sort.Strings(keys)
	return keys
}

func keysOf(t reflect.Type, prefix string) []string {
	var keys []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + f.Tag.Get("toml")
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type, name+".")...)
			continue
		}
		keys = append(keys, name)
	}
	return keys
}

// nearest returns the known key with the fewest letters to change.
func nearest(key string, known []string) string {
	best, bestCost := "", 1<<30
	for _, k := range known {
		if cost := distance(key, k); cost < bestCost {
			best, bestCost = k, cost
		}
	}
	return best
}

// distance is Levenshtein's, on bytes, with a cap on what a hostile key costs.
func distance(a, b string) int {
	const longest = 128
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// lineOf finds where a dotted key stands, 1-based; 0 when it is written in a
// way this simple look does not follow.
func lineOf(raw []byte, key string) int {
	table, leaf := "", key
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		table, leaf = key[:i], key[i+1:]
	}
	current := ""
	for i, line := range bytes.Split(raw, []byte("\n")) {
		text := strings.TrimSpace(string(line))
		if strings.HasPrefix(text, "[") {
			current = strings.Trim(text, "[] \t")
			continue
		}
		name, _, ok := strings.Cut(text, "=")
		if ok && current == table && strings.TrimSpace(name) == leaf {
			return i + 1
		}
	}
	return 0
}
