"""A writer of one region over NBD that knows what every sector may hold, at each instant.

Each sector it writes names itself: number and version, over and over. One request at a time, so a
snapshot taken meanwhile must show the region as it was after one of its writes: all before that one,
none behind it (T2). A request that failed may have landed in part; what it left is read back before
the writer goes on.

Threads: each writer has its own; begin_snapshot() and check_snapshot() may be called from another.
Errors: what must not happen is kept in failure, and ends the writer.
"""

import errno
import random
import struct
import threading

import stand
from nbd_client import FLAG_FUA, NbdClient, NbdError

SECTOR_BYTES = 512
MAX_SECTORS = 96  # of one request


class WrongBytes(AssertionError):
    """Content that nobody wrote, or that should be gone, or is not there."""


def sectors_of(first, count, version):
    return b"".join(struct.pack("<QQ", version, sector) * (SECTOR_BYTES // 16)
                    for sector in range(first, first + count))


def first_difference(one, other):
    """Where, and what two sectors say of themselves, in words."""
    for at in range(0, max(len(one), len(other)), SECTOR_BYTES):
        found, wanted = one[at:at + SECTOR_BYTES], other[at:at + SECTOR_BYTES]
        if found != wanted:
            return f"byte {at}: {found[:32].hex()} where {wanted[:32].hex()} belongs"
    return "no difference"


class StampedWriter:
    def __init__(self, volume, seed, first_byte, region_bytes, pace, disturbances):
        self._volume = volume
        self._chaos = random.Random(seed)
        self._first_byte = first_byte
        self._pace = pace
        self._disturbances = disturbances
        self._connected_at = 0  # of the connection in use, as Disturbances counts
        self._lock = threading.Lock()
        self._model = bytearray(region_bytes)
        self._entries = []  # while a snapshot is made: (at, content, is_sure)
        self._is_recording = False
        self._stopping = threading.Event()
        self._may_go = threading.Event()
        self._may_go.set()
        self._stands = threading.Event()
        self.failure = None
        self.writes = 0
        self.refused = 0  # for want of room
        self._thread = threading.Thread(target=self._run, daemon=True)

    # ---- for other threads ----

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._may_go.set()
        self._thread.join(4 * stand.PATIENCE_S)
        if self._thread.is_alive() and self.failure is None:
            self.failure = TimeoutError("a writer hangs")

    def hold(self):
        """Returns when no request is in flight and none follows before release()."""
        self._stands.clear()
        self._may_go.clear()
        stand.wait_until(lambda: self._stands.is_set() or self.failure, "a writer does not stand",
                         4 * stand.PATIENCE_S)

    def release(self):
        self._may_go.set()

    def begin_snapshot(self):
        """What check_snapshot() wants to know of the time before the snapshot."""
        with self._lock:
            self._is_recording = True
            return bytes(self._model)

    def end_snapshot(self):
        with self._lock:
            self._is_recording = False
            return list(self._entries)

    def check_snapshot(self, before, entries, image, name):
        """The image of the volume is what it was after one of the writes in between."""
        found = image[self._first_byte:self._first_byte + len(before)]
        expected = bytearray(before)
        closest = first_difference(found, bytes(expected))
        if expected == found:
            return
        for at, content, is_sure in entries:
            end = at + len(content)
            if is_sure:
                expected[at:end] = content
            else:
                for sector in range(at, end, SECTOR_BYTES):
                    new = content[sector - at:sector - at + SECTOR_BYTES]
                    if found[sector:sector + SECTOR_BYTES] == new:
                        expected[sector:sector + SECTOR_BYTES] = new
            if expected == found:
                return
            closest = first_difference(found, bytes(expected))
        raise WrongBytes(f"{name}: no instant of the writer of byte {self._first_byte}: {closest}")

    def check_held(self, image, name):
        """Of a writer that is held: the image is the volume as it is."""
        found = image[self._first_byte:self._first_byte + len(self._model)]
        if found != self._model:
            raise WrongBytes(f"{name}: {first_difference(found, bytes(self._model))}, "
                             f"from byte {self._first_byte} on")

    # ---- the writer itself ----

    def _run(self):
        client = None
        try:
            while not self._stopping.is_set():
                if not self._may_go.is_set():
                    self._stands.set()
                    self._may_go.wait()
                    continue
                client = client or self._connect()
                if client is not None:
                    client = self._write_one(client)
                    self._pace.rest()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error
        finally:
            self._stands.set()
            if client:
                client.close()

    def _connect(self):
        """A client, or None where nbdkit is not there because it was killed."""
        self._connected_at = self._disturbances.count()
        try:
            return NbdClient(self._volume.nbd)
        except OSError:
            if not self._disturbances.any_since(self._connected_at):
                raise
            stand.wait_briefly(0.05)
            return None

    def _next_request(self):
        sectors = self._chaos.randrange(1, MAX_SECTORS)
        first = self._chaos.randrange(len(self._model) // SECTOR_BYTES - sectors)
        self.writes += 1
        if self._chaos.randrange(12) == 0:
            return first * SECTOR_BYTES, bytes(sectors * SECTOR_BYTES)
        named = self._first_byte // SECTOR_BYTES + first
        return first * SECTOR_BYTES, sectors_of(named, sectors, self.writes)

    def _write_one(self, client):
        """Returns the client, or None when the connection is gone."""
        at, content = self._next_request()
        with self._lock:
            if not self._is_recording:
                self._entries.clear()
            self._entries.append((at, content, True))
        try:
            self._send(client, at, content)
        except NbdError as error:
            if error.errno != errno.ENOSPC or not self._disturbances.may_refuse():
                raise
            self.refused += 1
            return self._settle(client, at, content)
        except OSError:
            if not self._disturbances.any_since(self._connected_at):
                raise
            client.close()
            return self._settle(None, at, content)
        with self._lock:
            self._model[at:at + len(content)] = content
        return client

    def _send(self, client, at, content):
        flags = FLAG_FUA if self._chaos.randrange(20) == 0 else 0
        if content.count(0) == len(content):
            client.write_zeroes(self._first_byte + at, len(content), flags)
        else:
            client.write(self._first_byte + at, content, flags)

    def _settle(self, client, at, content):
        """After a request whose end is unknown: each sector is old or new; which, is read."""
        with self._lock:
            self._entries[-1] = (at, content, False)
        while True:
            client = client or self._connect()
            if client is None:
                if self._stopping.is_set():
                    return None
                continue
            try:
                found = client.read(self._first_byte + at, len(content))
                break
            except OSError:
                if not self._disturbances.any_since(self._connected_at):
                    raise
                client.close()
                client = None
        for sector in range(0, len(content), SECTOR_BYTES):
            piece = found[sector:sector + SECTOR_BYTES]
            old = self._model[at + sector:at + sector + SECTOR_BYTES]
            if piece not in (content[sector:sector + SECTOR_BYTES], old):
                raise WrongBytes(f"byte {self._first_byte + at + sector}: after a write that "
                                 f"failed: {piece[:32].hex()}, before: {old[:32].hex()}")
        with self._lock:
            self._model[at:at + len(content)] = found
            self._entries.append((at, found, True))
        return client
