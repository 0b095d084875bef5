"""Makes a hybrid torrent (BEP 52) out of a folder: folder, piece length, where
to write the torrent file."""

import os
import sys

import libtorrent as lt

folder, length, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
files = lt.file_storage()
lt.add_files(files, folder)
torrent = lt.create_torrent(files, length)
lt.set_piece_hashes(torrent, os.path.dirname(folder))
with open(out, "wb") as f:
    f.write(lt.bencode(torrent.generate()))
