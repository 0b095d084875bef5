package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sotto/client/bencode"
	"sotto/client/engine/choke"
	"sotto/client/engine/disk"
	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
	"sotto/client/metainfo"
)

// verdict is what a worker found out about an info dictionary.
type verdict struct {
	draft   *draft // nil for a dictionary that was given
	content *content
	wrong   bool  // the hash is another torrent's
	err     error // ends the torrent
}

// judge checks an info dictionary beside the owner: it may be large. A draft
// that is being judged takes no more pieces.
func (o *owner) judge(raw []byte, d *draft) {
	o.judging = true
	o.work("judge", func() {
		v := verdict{draft: d}
		if d != nil {
			raw = d.join()
			v.wrong = !o.opts.matches(raw)
		}
		if !v.wrong {
			v.content, v.err = o.openContent(raw)
		}
		select {
		case o.judged <- v:
		case <-o.ctx.Done():
			if v.content != nil {
				v.content.data.Close()
			}
		}
	})
}

// openContent checks a dictionary with the right hash and then, not before,
// looks at the disk.
func (o *owner) openContent(raw []byte) (*content, error) {
	if o.opts.CheckInfo != nil {
		if err := o.opts.CheckInfo(slices.Clone(raw)); err != nil {
			return nil, fmt.Errorf("check metadata: %w", err)
		}
	}
	info, err := metainfo.ParseInfo(raw, o.opts.InfoHash)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	dict, err := bencode.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	hashes, _ := dict.Get("pieces").Bytes() // ParseInfo has counted them
	chosen, err := o.choose(info)
	if err != nil {
		return nil, err
	}
	trees, err := newForest(info, o.opts.Layers)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	files, err := o.place(info)
	if err != nil {
		return nil, err
	}
	data, err := disk.Open(disk.Options{
		Dir: o.opts.Dir, Base: o.opts.Base, Files: files, PieceLength: info.PieceLength, Wanted: wanted(chosen),
		ReadOnly: o.opts.ReadOnly, OnError: o.fail,
	})
	if err != nil {
		return nil, err
	}
	return &content{info: info, raw: raw, hashes: hashes, forest: trees, files: files, chosen: chosen, data: data}, nil
}

// layout gives files their places. Padding has a place and no file.
func layout(info *metainfo.Info) []disk.File {
	files := make([]disk.File, len(info.Files))
	for i, at := range info.Offsets() {
		f := info.Files[i]
		files[i] = disk.File{Length: f.Length, Offset: at, Pad: f.Pad}
		if !f.Pad {
			files[i].Path = strings.Split(f.Path, "/")
		}
	}
	return files
}

// believe takes in what a worker found out about an info dictionary.
func (o *owner) believe(v verdict) {
	o.judging = false
	switch {
	case v.err != nil:
		o.fail(v.err)
		return
	case v.wrong:
		if liar := v.draft.refuse(); liar != nil {
			o.drafts = slices.DeleteFunc(o.drafts, func(d *draft) bool { return d == v.draft })
			if slices.Contains(o.peers, liar) {
				o.ban(liar, misconduct("metadata with a wrong hash"))
			}
		}
		o.askMetadata(time.Now())
		return
	}
	o.content, o.drafts = v.content, nil
	o.priorities = slices.Clone(v.content.chosen)
	o.shared.Store(v.content)
	o.mu.Lock()
	o.info, o.data = v.content.raw, v.content.data
	o.mu.Unlock()
	close(o.ready)
	o.names = namesIn(v.content.info, o.opts.InfoHash)
	for _, p := range slices.Clone(o.peers) {
		o.fit(p)
	}
	o.needLayers()
}

// verify has the disk checked, once there is what to check it by.
func (o *owner) verify() {
	close(o.layered)
	c := o.content
	o.work("check", func() {
		err := o.check(o.ctx, c)
		if err == nil && o.opts.Room != nil && !o.opts.ReadOnly {
			err = c.data.Allocate(o.opts.Room)
		}
		select {
		case o.checked <- err:
		case <-o.ctx.Done():
		}
	})
}

// start begins the transfer once the state of every piece on disk is known.
func (o *owner) start(err error) {
	if err != nil {
		o.fail(err)
		return
	}
	c := o.content
	if p := c.data.Progress(); o.opts.ReadOnly && !p.Done {
		o.fail(ErrIncomplete)
		return
	}
	o.have = wire.NewBitfield(c.info.Pieces)
	for i := range c.info.Pieces {
		if _, good := c.data.State(i); good {
			o.have.Set(i)
		}
	}
	o.picker, err = pick.New(pick.Options{
		Pieces: c.info.Pieces, PieceLength: c.info.PieceLength, Length: c.info.Length,
		Size:     func(i int) int64 { return int64(c.size(i)) },
		Verified: func(i int) bool { return o.have.Get(i) },
		Priority: o.level, Sequential: o.sequential,
		MaxOpen: maxOpen, Rand: o.rand,
		Evicted: func(piece uint32) { delete(o.pieces, piece) },
	})
	if err != nil {
		o.fail(fmt.Errorf("read metadata: %w", err))
		return
	}
	o.choker = choke.New(choke.Slots(float64(o.upload.Bytes())), o.rand)
	for range workersFor() {
		o.work("keep", func() { o.keep(o.ctx, c, o.jobs, o.kept) })
	}
	o.startSites()
	o.finish()
	o.hide()
	for _, p := range slices.Clone(o.peers) {
		o.introduce(p)
	}
	o.tellUploadOnly()
	o.wakeReaders()
	o.hasten(time.Now())
	o.goOutside()
	o.hungry, o.chokes = true, true
}

// finish tells of the torrent's completion, once, when every wanted file has
// its name.
func (o *owner) finish() {
	select {
	case <-o.done:
	default:
		select {
		case <-o.content.data.Done():
			close(o.done)
		default:
		}
	}
}
