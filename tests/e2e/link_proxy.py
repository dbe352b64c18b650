#!/usr/bin/env python3
"""A link as ssh's ProxyCommand: `link_proxy.py CONTROL HOST PORT`. CONTROL says "BYTES_PER_S CUT_AFTER": so fast at most each
way, and after so many bytes, both ways together, the connection is gone without a word. Ends with the connection."""

import os
import pathlib
import select
import socket
import sys
import time

PIECE_BYTES = 16 << 10


class Way:
    """From one descriptor to another, so many bytes a second."""

    def __init__(self, source, sink, rate):
        self.source, self._sink, self._rate = source, sink, rate
        self._free_at = time.monotonic()

    def move(self, most):
        """What there is, at most so many bytes; none: it is the end."""
        piece = os.read(self.source, min(PIECE_BYTES, most))
        now = time.monotonic()
        self._free_at = max(now, self._free_at) + len(piece) / self._rate
        select.select([], [], [], self._free_at - now)
        rest = piece
        while rest:
            rest = rest[os.write(self._sink, rest):]
        return len(piece)


def main():
    control, host, port = sys.argv[1:]
    rate, left = map(int, pathlib.Path(control).read_text(encoding="ascii").split())
    link = socket.create_connection((host, int(port)), timeout=10)
    link.settimeout(None)
    ways = {way.source: way for way in (Way(0, link.fileno(), rate), Way(link.fileno(), 1, rate))}
    while left > 0:
        for source in select.select(list(ways), [], [])[0]:
            moved = ways[source].move(max(left, 1))
            left -= moved
            if moved == 0:
                return 0
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError:
        sys.exit(1)
