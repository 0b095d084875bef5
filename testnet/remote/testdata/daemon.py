"""Does one thing to a daemon with Debian's python3-transmissionrpc, and says
what it saw. Arguments: port, token, what to do, what with.
"""
import base64
import json
import sys

import transmissionrpc

port, token, verb = sys.argv[1:4]
args = sys.argv[4:]
c = transmissionrpc.Client("127.0.0.1", int(port), user="me", password=token)


def row(t):
    # The text of a status is the client's; the number is what it was told.
    out = {"id": t.id, "hash": t.hashString, "name": t.name, "dir": t.downloadDir, "status": t._fields["status"].value,
           "done": t.progress / 100, "have": t.haveValid, "left": t.leftUntilDone, "fetched": t.downloadedEver, "limit": -1}
    if t.downloadLimited:
        out["limit"] = t.downloadLimit
    priorities = {"low": -1, "normal": 0, "high": 1}
    out["files"] = [{"name": f["name"], "size": f["size"], "have": f["completed"], "wanted": f["selected"],
                     "priority": priorities[f["priority"]]} for _, f in sorted(t.files().items())]
    return out


if verb == "add":
    with open(args[0], "rb") as f:
        c.add_torrent(base64.b64encode(f.read()).decode(), download_dir=args[1], paused=True)
elif verb == "link":
    c.add_torrent(args[0], download_dir=args[1], paused=True)
elif verb == "list":
    print(json.dumps([row(t) for t in c.get_torrents()]))
elif verb == "stop":
    c.stop_torrent(int(args[0]))
elif verb == "start":
    c.start_torrent(int(args[0]))
elif verb == "choose":
    c.change_torrent(int(args[0]), downloadLimit=900, downloadLimited=True, files_unwanted=[0], priority_high=[1])
elif verb == "all":
    c.change_torrent(int(args[0]), files_wanted=[0, 1, 2])
elif verb == "limit":
    c.set_session(speed_limit_down=int(args[0]), speed_limit_down_enabled=True)
elif verb == "limited":
    print(json.dumps(c.get_session().speed_limit_down))
elif verb == "move":
    c.move_torrent_data(int(args[0]), args[1])
elif verb == "remove":
    c.remove_torrent(int(args[0]), delete_data=args[1] == "true")
else:
    sys.exit("no such thing to do")
