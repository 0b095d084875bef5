package config

import "strings"

// prefix begins every variable that is ours.
const prefix = "SOTTO_"

// Variable is the environment's name for a key: SOTTO_DAEMON_API for
// daemon.api. A list is separated as PATH is.
func Variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func (s *Settings) environ(all []string) error {
	known := map[string]string{}
	var names []string
	for _, key := range Keys() {
		known[Variable(key)] = key
		names = append(names, Variable(key))
	}
	for _, entry := range all {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		e := &Error{Where: "environment", Key: name}
		key, ok := known[name]
		switch {
		case !ok:
			e.Problem, e.Remedy = "unknown variable", "did you mean "+nearest(name, names)+"?"
		case isUnsafe(key):
			e.Problem = "a setting that weakens privacy must stand in the configuration file"
			e.Remedy = "remove the variable, and write " + key + " there"
		default:
			e.Problem = s.set(key, value, Origin{From: "environment", Name: name})
		}
		if e.Problem != "" {
			return e
		}
	}
	return nil
}
