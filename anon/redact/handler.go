// Package redact keeps what libraries write from linking the user: a slog
// handler that scrubs their texts at every level before another handler sees
// them.
//
// It is the second line. Our own code does not log such things at all, and
// values of package anon hide themselves. It knows patterns, not meanings: a
// torrent's or a person's plain name passes. It never reads what it cannot
// bound: of values without a text of their own only the type is kept.
package redact

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"time"
)

const (
	maxAttrs = 64 // attributes of one record, groups included; more are dropped
	maxDepth = 8  // groups within groups
)

// Handler scrubs records on their way to another handler.
type Handler struct{ next slog.Handler }

var _ slog.Handler = Handler{}

// New returns a handler that passes scrubbed records to next.
func New(next slog.Handler) Handler { return Handler{next} }

// Enabled is next's.
func (h Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle passes a scrubbed copy of r on. Its cost is bounded by MaxText for
// each text and a fixed number of attributes.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, Text(r.Message), r.PC)
	b := budget(maxAttrs)
	r.Attrs(func(a slog.Attr) bool {
		if !b.spend() {
			clean.AddAttrs(dropped)
			return false
		}
		clean.AddAttrs(b.attr(a, 0))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs scrubs once what will be written often.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	b := budget(maxAttrs)
	return Handler{h.next.WithAttrs(b.attrs(attrs, 0))}
}

// WithGroup scrubs the group's name too.
func (h Handler) WithGroup(name string) slog.Handler {
	return Handler{h.next.WithGroup(Text(name))}
}

var dropped = slog.Bool("attrs_dropped", true)

// budget counts down the attributes that may still be written.
type budget int

func (b *budget) spend() bool { *b--; return *b >= 0 }

func (b *budget) attrs(in []slog.Attr, depth int) []slog.Attr {
	out := make([]slog.Attr, 0, min(len(in), maxAttrs+1))
	for _, a := range in {
		if !b.spend() {
			return append(out, dropped)
		}
		out = append(out, b.attr(a, depth))
	}
	return out
}

func (b *budget) attr(a slog.Attr, depth int) slog.Attr {
	return slog.Attr{Key: Text(a.Key), Value: b.value(a.Value, depth)}
}

func (b *budget) value(v slog.Value, depth int) slog.Value {
	v = v.Resolve() // bounded, and survives a panic
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(Text(v.String()))
	case slog.KindGroup:
		if depth == maxDepth {
			return slog.StringValue("[group]")
		}
		return slog.GroupValue(b.attrs(v.Group(), depth+1)...)
	case slog.KindAny:
		return anyValue(v.Any())
	}
	return v // numbers, booleans, times
}

// anyValue keeps of a value the text it gives of itself, scrubbed, and of one
// that gives none only the type: walking it could cost anything and show
// anything.
func anyValue(x any) (v slog.Value) {
	defer func() {
		if recover() != nil { // such as a method called on a nil pointer
			v = slog.StringValue("[panic]")
		}
	}()
	switch x := x.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(Text(x.Error()))
	case time.Time, time.Duration:
		return slog.AnyValue(x)
	case *slog.Source:
		return slog.StringValue(fmt.Sprintf("line %d", x.Line))
	case fmt.Stringer:
		return slog.StringValue(Text(x.String()))
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return slog.StringValue("[error]")
		}
		return slog.StringValue(Text(string(text[:min(len(text), MaxText+1)])))
	}
	r := reflect.ValueOf(x)
	switch {
	case r.Kind() == reflect.String:
		return slog.StringValue(Text(r.String()))
	case r.Kind() == reflect.Bool || r.CanInt() || r.CanUint() || r.CanFloat():
		return slog.AnyValue(x)
	}
	return slog.StringValue("[" + r.Type().String() + "]")
}
