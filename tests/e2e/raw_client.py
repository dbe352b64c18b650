"""The protocol of ddsnap/wire/PROTOCOL.md in its barest form, for those who measure or misuse it.

Errors: OSError when the connection ends or the peer takes longer than the patience.
"""

import os
import socket
import struct

PATIENCE_S = 60
MAGIC, VERSION = 0x4e534444, 1
HEADER_BYTES = 24
MAX_BODY_BYTES = 65512
ERROR, FIND_SERVER, HELLO, HELLO_OK, LOCATE, LOCATED = 2, 17, 32, 33, 36, 38
BARRIER, BARRIER_ACK, RELEASE, DETACH = 39, 40, 41, 46
LIST_SNAPSHOTS, GET_STATUS = 66, 68
PREPARE_SNAPSHOT, COMMIT_SNAPSHOT = 80, 81
OK = 1


def frame(kind, body=b"", request_id=1):
    return struct.pack("<IHHIIQ", MAGIC, VERSION, kind, len(body), 0, request_id) + body


def ranges(pairs):
    return struct.pack("<II", len(pairs), 0) + b"".join(struct.pack("<II", *pair) for pair in pairs)


def snapshot_hello(tag, label):
    """Of a target that has nothing open yet."""
    return frame(HELLO, struct.pack("<II48x16s16sQII16x64s64s", 2, 0, os.urandom(16), os.urandom(16),
                                    os.getpid(), 0, 0, tag.encode(), label.encode()))


def origin_hello(label):
    """Of an origin target that has nothing open yet."""
    return frame(HELLO, struct.pack("<II48x16s16sQII16x64s64s", 1, 0, os.urandom(16), os.urandom(16),
                                    os.getpid(), 0, 0, b"", label.encode()))


def prepare_snapshot(uuid, tag, hold_ms):
    body = struct.pack("<I16sbBH", hold_ms, uuid, 0, 0, len(tag)) + tag.encode()
    return frame(PREPARE_SNAPSHOT, body)


class RawClient:
    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX)
        # Waits also while the listener's queue is full, which settimeout() would make an error.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                               struct.pack("ll", PATIENCE_S, 0))
        try:
            self.socket.connect(str(address))
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(PATIENCE_S)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message: its type and body."""
        header = self._take(HEADER_BYTES)
        _, _, kind, body_bytes, _, _ = struct.unpack("<IHHIIQ", header)
        return kind, self._take(body_bytes)

    def ask(self, kind, body=b""):
        self.send(frame(kind, body))
        return self.receive()

    def close(self):
        self.socket.close()

    def _take(self, length_bytes):
        data = bytearray()
        while len(data) < length_bytes:
            piece = self.socket.recv(length_bytes - len(data))
            if not piece:
                raise ConnectionError("the peer hung up")
            data += piece
        return bytes(data)
