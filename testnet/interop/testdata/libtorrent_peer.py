"""libtorrent as a peer of our tests. One argument, JSON:

torrent  path of a torrent file, or a magnet link
data     folder to fetch to or to seed from
listen   "address:port"
crypto   "rc4" or "plain", and nothing else is spoken
engine   says that standard input is read; without, a tracker names the peers

A line on standard input names peers to dial, each "address:port"; its end ends
the program. Standard output is a line of JSON each time: where it listens, once
the data has been checked; what it took since the first peer was named, when
everything has arrived, and once more at the end.
"""

import json
import resource
import select
import sys
import time

import libtorrent as lt

FORCED, DISABLED = 0, 2  # enc_policy
PLAIN, RC4 = 1, 2  # enc_level


def settings(job):
    rc4 = job["crypto"] == "rc4"
    policy = FORCED if rc4 else DISABLED
    return {
        "listen_interfaces": job["listen"],
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "in_enc_policy": policy,
        "out_enc_policy": policy,
        "allowed_enc_level": RC4 if rc4 else PLAIN,
        "prefer_rc4": rc4,
    }


def params(job):
    if job["torrent"].startswith("magnet:"):
        p = lt.parse_magnet_uri(job["torrent"])
    else:
        p = lt.add_torrent_params()
        p.ti = lt.torrent_info(job["torrent"])
    p.save_path = job["data"]
    # The session's queue would stop and start torrents as it likes.
    p.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return p


def spent():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def main():
    job = json.loads(sys.argv[1])
    session = lt.session(settings(job))
    torrent = session.add_torrent(params(job))
    checking = (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data)
    ready = done = False
    began, cpu = time.monotonic(), spent()
    while True:
        status = torrent.status()
        if not ready and status.state not in checking:
            ready, done, cpu = True, status.is_seeding, spent()
            print(json.dumps({"ready": job["listen"]}), flush=True)
        if ready and not done and status.is_seeding:
            done = True
            print(json.dumps({
                "seconds": time.monotonic() - began,
                "cpu": spent() - cpu,
                "wasted": status.total_redundant_bytes + status.total_failed_bytes,
            }), flush=True)
        if not "engine" in job:
            time.sleep(0.05)
            continue
        if not select.select([sys.stdin], [], [], 0.02)[0]:
            continue
        line = sys.stdin.readline()
        if not line:
            print(json.dumps({"cpu": spent() - cpu}), flush=True)
            return
        if not done:
            began, cpu = time.monotonic(), spent()
        for peer in line.split():
            host, port = peer.rsplit(":", 1)
            torrent.connect_peer((host, int(port)))


main()
