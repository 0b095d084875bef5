package engine

import (
	"context"
	"log/slog"
)

// quiet passes the library's records on at debug, whatever their level: they
// are full of info hashes, names and peers' words. Of an error only the fact
// is told above debug.
type quiet struct{ slog.Handler }

func libraryLog(l *slog.Logger) *slog.Logger { return slog.New(quiet{l.Handler()}) }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug) ||
		level >= slog.LevelError && q.Handler.Enabled(ctx, slog.LevelWarn)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError && q.Handler.Enabled(ctx, slog.LevelWarn) {
		fact := slog.NewRecord(r.Time, slog.LevelWarn, "the torrent library reports an error; debug has it", 0)
		if err := q.Handler.Handle(ctx, fact); err != nil {
			return err
		}
	}
	if !q.Handler.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	level := r.Level
	r = r.Clone()
	r.Level = slog.LevelDebug
	r.AddAttrs(slog.String("library_level", level.String()))
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(as []slog.Attr) slog.Handler {
	// The fixed text of Handle must not carry what the library attaches to a
	// logger, so attributes wait in a group of their own.
	return held{q, as}
}

func (q quiet) WithGroup(string) slog.Handler { return q }

// held adds attributes at debug only.
type held struct {
	quiet
	attrs []slog.Attr
}

func (h held) Handle(ctx context.Context, r slog.Record) error {
	if h.Handler.Enabled(ctx, slog.LevelDebug) {
		r = r.Clone()
		r.AddAttrs(h.attrs...)
	}
	return h.quiet.Handle(ctx, r)
}

func (h held) WithAttrs(as []slog.Attr) slog.Handler {
	return held{h.quiet, append(h.attrs[:len(h.attrs):len(h.attrs)], as...)}
}

func (h held) WithGroup(string) slog.Handler { return h }
