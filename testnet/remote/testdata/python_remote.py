"""Steers a daemon with Debian's python3-transmissionrpc, and says what it saw.

Arguments: port, token, a torrent file, a magnet link, the download folder.
"""
import base64
import json
import sys

import transmissionrpc

port, token, path, magnet, folder = sys.argv[1:]
c = transmissionrpc.Client("127.0.0.1", int(port), user="me", password=token)
seen = {"rpc": c.rpc_version}

with open(path, "rb") as f:
    c.add_torrent(base64.b64encode(f.read()).decode(), download_dir=folder + "/music")
c.add_torrent(magnet, paused=True)

seen["list"] = [[t.id, t.name, t.status, t.hashString] for t in c.get_torrents()]
t = c.get_torrent(1)
seen["progress"], seen["ratio"], seen["size"] = t.progress, t.ratio, t.totalSize
seen["files"] = [f["name"] for f in c.get_files(1)[1].values()]

c.stop_torrent(1)
c.start_torrent([2])
seen["states"] = [t.status for t in c.get_torrents()]
c.change_torrent(1, downloadLimit=30, downloadLimited=True, seedRatioMode=1, seedRatioLimit=1.5,
                 files_unwanted=[0], priority_high=[1], peer_limit=12)
c.set_files({1: {2: {"selected": True, "priority": "low"}}})
c.move_torrent_data(1, folder + "/else")
c.rename_torrent_path(1, "album/two", "deux")
c.queue_top(2)
c.verify_torrent(1)
c.reannounce_torrent(1)
c.set_session(speed_limit_down=50, speed_limit_down_enabled=True, alt_speed_enabled=True)
seen["session"] = [c.get_session().speed_limit_down, c.get_session().dht_enabled, c.get_session().download_dir]
seen["stats"] = c.session_stats().torrentCount
seen["free"] = c.free_space(folder)
seen["port"] = c.port_test()
try:
    c.set_session(dht_enabled=True)
    seen["dht"] = "changed"
except transmissionrpc.TransmissionError as e:
    seen["dht"] = str(e)
c.remove_torrent(1, delete_data=True)
seen["left"] = [t.id for t in c.get_torrents()]
print(json.dumps(seen))
