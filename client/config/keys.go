package config

import (
	"reflect"
	"slices"
	"strings"
)

// Keys returns every key of the file, dotted and sorted.
func Keys() []string {
	var keys []string
	walk(reflect.ValueOf(&Config{}).Elem(), "", func(key string, _ reflect.Value) {
		keys = append(keys, key)
	})
	slices.Sort(keys)
	return keys
}

// walk visits each setting of c, in the order of the struct.
func walk(c reflect.Value, prefix string, visit func(key string, v reflect.Value)) {
	for i := range c.NumField() {
		name := prefix + c.Type().Field(i).Tag.Get("toml")
		if c.Field(i).Kind() == reflect.Struct {
			walk(c.Field(i), name+".", visit)
			continue
		}
		visit(name, c.Field(i))
	}
}

// field returns the setting of a key, which can be set. The zero Value means
// that there is no such key.
func (c *Config) field(key string) (found reflect.Value) {
	walk(reflect.ValueOf(c).Elem(), "", func(k string, v reflect.Value) {
		if k == key {
			found = v
		}
	})
	return found
}

// isTable reports whether a dotted key holds settings and is none.
func isTable(key string) bool {
	return slices.ContainsFunc(Keys(), func(k string) bool { return strings.HasPrefix(k, key+".") })
}

// isUnsafe reports whether a setting weakens privacy.
func isUnsafe(key string) bool {
	return strings.HasPrefix(key[strings.LastIndexByte(key, '.')+1:], "unsafe_")
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
