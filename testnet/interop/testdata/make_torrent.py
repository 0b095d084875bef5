"""Makes a torrent with a v2 part (BEP 52) out of a folder: folder, piece length,
where to write the torrent file, and "hybrid", "v2", or "padded" for the v1 half
of a hybrid: padding files and nothing of v2."""

import os
import sys

import libtorrent as lt

folder, length, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
flags = lt.create_torrent.v2_only if sys.argv[4] == "v2" else 0
files = lt.file_storage()
lt.add_files(files, folder)
torrent = lt.create_torrent(files, length, flags)
lt.set_piece_hashes(torrent, os.path.dirname(folder))
made = torrent.generate()
if sys.argv[4] == "padded":
    del made[b"info"][b"file tree"], made[b"info"][b"meta version"], made[b"piece layers"]
with open(out, "wb") as f:
    f.write(lt.bencode(made))
