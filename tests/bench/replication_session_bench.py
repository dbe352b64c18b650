#!/usr/bin/env python3
"""How fast a snapshot's changes reach a copy on the same machine: by 'send | receive', and by transmit and listen over loopback, with
and without TLS, compressed and not; beside plain pipes and sockets (socat, its TLS 1.3) that bring the content of the same chunks from
disk to disk (dd, direct), durable at the end, in turns. Then what a resync of a volume that differs in 1 % reads and sends.

usage: replication_session_bench.py BUILD        DDSNAP_BENCH_BYTES: size of the volume (default 512 MiB; a quarter changes each turn)
"""

import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import time

os.environ["DDSNAP_BUILD"] = sys.argv[1] if len(sys.argv) > 1 else "build"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from report import Report  # noqa: E402
from stand import DDSNAP, Stand, need, run_tool, wait_until  # noqa: E402

VOLUME_BYTES = int(os.environ.get("DDSNAP_BENCH_BYTES", 512 << 20))
CHANGED_BYTES = VOLUME_BYTES // 4
CHUNK_BYTES = 16 << 10
EXTENT_BYTES = 256 << 10  # what is written at once
TURNS = 5
RESYNC_SHARE, RESYNC_LIMIT = 0.01, 0.015


class Bench:
    def __init__(self):
        self.random = random.Random(20060825)
        self.stand = Stand(VOLUME_BYTES, 3 * VOLUME_BYTES)
        self.stand.start_all()
        self.chaos = self.random.randbytes(8 << 20)
        self.listeners = {}
        self.snapshots = 0
        self.write(range(0, VOLUME_BYTES, EXTENT_BYTES))
        run_tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", "/CN=peer", "-keyout", self.path("peer.key"), "-out", self.path("peer.crt"))
        pathlib.Path(self.path("peer.pem")).write_bytes(
            b"".join(pathlib.Path(self.path(name)).read_bytes() for name in ("peer.key", "peer.crt")))
        key = pathlib.Path(self.path("key"))
        key.write_text("0123456789abcdef" * 4, encoding="ascii")
        key.chmod(0o600)

    def path(self, name):
        return self.stand.path(name)

    # ---- upstream ----

    def write(self, places, length=EXTENT_BYTES):
        """Half of each sector is of one byte, so that compression halves it."""
        with self.stand.client() as client:
            for place in places:
                at = self.random.randrange(len(self.chaos) - length)
                content = bytearray(self.chaos[at:at + length])
                for sector in range(0, length, 512):
                    content[sector:sector + 256] = content[sector:sector + 1] * 256
                client.write(place, bytes(content))
            client.flush()

    def snapshot(self):
        """Its tag."""
        self.stand.create(str(self.snapshots))
        self.snapshots += 1
        return str(self.snapshots - 1)

    def change(self):
        """Another snapshot, and the changed content in a file, as a peer would have it; from, to."""
        places = self.random.sample(range(0, VOLUME_BYTES, EXTENT_BYTES), CHANGED_BYTES // EXTENT_BYTES)
        self.write(places)
        with open(self.stand.origin, "rb") as origin, open(self.path("changes"), "wb") as changes:
            for place in sorted(places):
                origin.seek(place)
                changes.write(origin.read(EXTENT_BYTES))
        tag = self.snapshot()
        return str(int(tag) - 1), tag

    # ---- downstream ----

    def new_copy(self, name):
        self.stand.make_file(name, VOLUME_BYTES)
        self.send_and_receive(name, "0")

    def send_and_receive(self, name, *tags, codec="zstd"):
        begin = time.monotonic()
        sender = subprocess.Popen([DDSNAP, "send", "--codec", codec, self.stand.server, *tags], stdout=subprocess.PIPE,
                                  env=self.stand.environment())
        self.stand.ddsnap("receive", self.path(name), stdin=sender.stdout)
        sender.stdout.close()
        if sender.wait() != 0:
            raise AssertionError("send failed")
        return time.monotonic() - begin

    def listen(self, name, *options):
        """The address of a listener for that copy."""
        told = pathlib.Path(self.path(f"listen-{name}.log"))
        process = subprocess.Popen([DDSNAP, "listen", "-f", "-l", told, *options, "127.0.0.1:0", "v=" + self.path(name)],
                                   env=self.stand.environment(), stdin=subprocess.DEVNULL)
        self.stand.processes["listen-" + name] = process
        wait_until(lambda: told.exists() and re.search(r": at \S", told.read_text()), "no listener comes up")
        return re.search(r": at ([^\s,]+)", told.read_text()).group(1)

    def transmit(self, address, *words):
        begin = time.monotonic()
        told = self.stand.ddsnap("transmit", "--json", *words[:-1], self.stand.server, address, words[-1])
        return time.monotonic() - begin, json.loads(told)

    # ---- peers: the changed content, and nothing else, into a file ----

    def sink(self, source):
        run_tool("dd", "of=" + self.path("sink"), "bs=1M", "iflag=fullblock", "oflag=direct", "conv=notrunc,fdatasync",
                 stdin=source)

    def source(self):
        """From the disk, as the sender has it."""
        return subprocess.Popen(["dd", "if=" + self.path("changes"), "bs=1M", "iflag=direct"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)

    def through_a_pipe(self):
        begin = time.monotonic()
        with self.source() as source:
            self.sink(source.stdout)
        return time.monotonic() - begin

    def through_socat(self, listens, connects):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        begin = time.monotonic()
        with subprocess.Popen(["socat", "-u", "-b", "262144", listens.format(port=port, folder=self.stand.folder), "STDOUT"],
                              stdout=subprocess.PIPE) as receiver, self.source() as source, \
             subprocess.Popen(["socat", "-u", "-b", "262144", "STDIN", connects.format(port=port)], stdin=source.stdout):
            self.sink(receiver.stdout)
        return time.monotonic() - begin

    def through_tcp(self):
        return self.through_socat("TCP-LISTEN:{port},reuseaddr,bind=127.0.0.1", "TCP:127.0.0.1:{port},retry=500,interval=0.01")

    def through_tls(self):
        return self.through_socat(
            "OPENSSL-LISTEN:{port},reuseaddr,bind=127.0.0.1,cert={folder}/peer.pem,verify=0,openssl-min-proto-version=TLS1.3",
            "OPENSSL:127.0.0.1:{port},verify=0,retry=500,interval=0.01")


def sessions(bench, report):
    copies = ("piped", "piped-none", "plain", "plain-none", "tls", "tls-none")
    bench.snapshot()
    for name in copies:
        bench.new_copy(name)
    bench.stand.make_file("sink", CHANGED_BYTES)
    key = ("--key", bench.path("key"))
    at = {name: bench.listen(name, *(key if "tls" in name else ())) for name in copies[2:]}
    ways = {
        "piped": lambda tags: bench.send_and_receive("piped", *tags),
        "piped-none": lambda tags: bench.send_and_receive("piped-none", *tags, codec="none"),
        "plain": lambda tags: bench.transmit(at["plain"], tags[1])[0],
        "plain-none": lambda tags: bench.transmit(at["plain-none"], "--codec", "none", tags[1])[0],
        "tls": lambda tags: bench.transmit(at["tls"], *key, tags[1])[0],
        "tls-none": lambda tags: bench.transmit(at["tls-none"], *key, "--codec", "none", tags[1])[0],
    }
    peers = {"pipe": bench.through_a_pipe, "tcp": bench.through_tcp, "socat's TLS": bench.through_tls}
    speed = {name: [] for name in (*ways, *peers)}
    for turn in range(TURNS + 1):  # the first one warms up
        tags = bench.change()
        for name, run in (*ways.items(), *peers.items()):
            seconds = run(tags) if name in ways else run()
            if turn > 0:
                speed[name].append(CHANGED_BYTES / 1e6 / seconds)
    report.compare("send | receive", "MB/s", speed["piped"], "dd | dd", speed["pipe"])
    report.compare("send --codec none | receive", "MB/s", speed["piped-none"], "dd | dd", speed["pipe"])
    report.compare("transmit, listen", "MB/s", speed["plain"], "socat, TCP", speed["tcp"])
    report.compare("transmit --codec none, listen", "MB/s", speed["plain-none"], "socat, TCP", speed["tcp"])
    report.compare("the same with a key", "MB/s", speed["tls"], "socat, TLS 1.3", speed["socat's TLS"])
    report.compare("the same with a key, --codec none", "MB/s", speed["tls-none"], "socat, TLS 1.3", speed["socat's TLS"])
    for name in copies:
        bench.stand.ddsnap("compare", f"ddsnap:{bench.stand.server}#{tags[1]}", bench.path(name))
    return at["plain"]


def resyncs(bench, report, address):
    """Single chunks that do not compress differ, here and there."""
    seconds, sent, floors = [], [], []
    for _ in range(TURNS):
        chunks = bench.random.sample(range(VOLUME_BYTES // CHUNK_BYTES), int(VOLUME_BYTES * RESYNC_SHARE) // CHUNK_BYTES)
        with bench.stand.client() as client:
            for chunk in chunks:
                client.write(chunk * CHUNK_BYTES, bench.random.randbytes(CHUNK_BYTES))
            client.flush()
        took, told = bench.transmit(address, "--resync", bench.snapshot())
        seconds.append(VOLUME_BYTES / 1e6 / took)
        sent.append((told["sent_bytes"] + told["received_bytes"]) / VOLUME_BYTES * 100)
        begin = time.monotonic()
        both = [subprocess.Popen(["dd", "if=" + path, "of=/dev/null", "bs=1M", "iflag=direct"], stderr=subprocess.DEVNULL)
                for path in (bench.stand.origin, bench.path("plain"))]
        for one in both:
            one.wait()
        floors.append(VOLUME_BYTES / 1e6 / (time.monotonic() - begin))
    report.compare("resync, 1 % differs: of the volume", "MB/s", seconds, "both disks read, direct", floors)
    report.limit("resync, 1 % differs: bytes both ways, of the volume", "%", sent, RESYNC_LIMIT * 100)


def main():
    need("nbdkit", "socat", "openssl", "dd")
    bench = Bench()
    report = Report("replication_session", f"{CHANGED_BYTES >> 20} MiB of {VOLUME_BYTES >> 20} changed, half of it compressible; "
                                           "MB/s of changed content until it is durable in the copy")
    try:
        resyncs(bench, report, sessions(bench, report))
        report.close()
    finally:
        bench.stand.close()


if __name__ == "__main__":
    main()
