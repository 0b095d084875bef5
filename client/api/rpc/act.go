package rpc

// ids returns the ids of the torrents that w chooses. A torrent that does not
// exist is no error, as with Transmission.
func (c *call) ids(w Which) ([]int64, error) {
	list, err := c.lib().Torrents(c.ctx, w, 0)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(list))
	for _, t := range list {
		ids = append(ids, t.ID)
	}
	return ids, nil
}

// each reads ids, which must be all that is left to read, and does something
// to those that are there.
func (c *call) each(a *args, do func(ids []int64) error) (object, error) {
	which := a.which()
	if err := a.done(); err != nil {
		return nil, err
	}
	ids, err := c.ids(which)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return nil, do(ids)
}

func act(what Action) func(*call, *args) (object, error) {
	return func(c *call, a *args) (object, error) {
		return c.each(a, func(ids []int64) error { return c.lib().Act(c.ctx, what, ids) })
	}
}

func shift(to Shift) func(*call, *args) (object, error) {
	return func(c *call, a *args) (object, error) {
		return c.each(a, func(ids []int64) error { return c.lib().Shift(c.ctx, ids, to) })
	}
}

// torrentRemove refuses what Transmission does: to delete the files of every
// torrent there is because a client forgot to say which.
func (c *call) torrentRemove(a *args) (object, error) {
	data := a.flag("delete_local_data")
	if data != nil && *data && !a.has("ids") {
		a.fail("deleting files needs ids: which torrents?")
	}
	return c.each(a, func(ids []int64) error { return c.lib().Remove(c.ctx, ids, data != nil && *data) })
}

func (c *call) torrentSetLocation(a *args) (object, error) {
	folder, ok := c.folder(a, "location")
	if !ok {
		a.fail("no location")
	}
	move := a.flag("move")
	return c.each(a, func(ids []int64) error { return c.lib().Move(c.ctx, ids, folder, move != nil && *move) })
}

// folder reads a folder that callers may name.
func (c *call) folder(a *args, name string) (string, bool) {
	text, ok := a.text(name, maxPath)
	if !ok {
		return "", false
	}
	path, err := c.r.folders.check(text)
	if err != nil && a.err == nil {
		a.err = err
	}
	return path, err == nil
}

func (c *call) torrentRenamePath(a *args) (object, error) {
	path, _ := a.text("path", maxPath)
	name, _ := a.text("name", maxPath)
	if path == "" || hasDotDot(path) || path[0] == '/' {
		a.fail("the path must be one of the torrent's")
	}
	if !elementOK(name) {
		a.fail("the name must be one that a file can have")
	}
	which := a.which()
	if err := a.done(); err != nil {
		return nil, err
	}
	ids, err := c.ids(which)
	if err != nil {
		return nil, err
	}
	if len(ids) != 1 {
		return nil, refuse("torrent-rename-path requires 1 torrent")
	}
	if err := c.lib().Rename(c.ctx, ids[0], path, name); err != nil {
		return nil, err
	}
	return object{{"id", ids[0]}, {"name", name}, {"path", path}}, nil
}
