"""An ordinary BitTorrent client: libtorrent on its own settings.

Arguments: a magnet link, a torrent file, a folder. It runs until it is killed.
Only the trackers' turns are skipped: all of them are asked at once. The peers of
the link are read here, because libtorrent 2.0.8 does not undo their escapes.
"""

import ipaddress
import sys
import time
import urllib.parse

import libtorrent as lt

magnet, torrent, folder = sys.argv[1:]
session = lt.session({
    "announce_to_all_trackers": True,
    "announce_to_all_tiers": True,
    "alert_mask": 0,
})



def peers(magnet):
    """The peers of a magnet link that are IP addresses."""
    for text in urllib.parse.parse_qs(magnet)["x.pe"]:
        host, _, port = text.rpartition(":")
        try:
            yield str(ipaddress.ip_address(host.strip("[]"))), int(port)
        except ValueError:
            pass  # a name, which libtorrent does not look up either


link = lt.parse_magnet_uri(magnet)
link.peers = list(peers(magnet))
link.save_path = folder
file = lt.add_torrent_params()
file.ti = lt.torrent_info(torrent)
file.save_path = folder
for params in link, file:
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    session.add_torrent(params)

while True:
    time.sleep(60)
