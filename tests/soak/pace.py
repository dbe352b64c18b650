"""How fast a soak goes, and what it has done so far.

Threads: all of it may be used from any.
"""

import collections
import threading
import time

import stand

MAX_REST_S = 5


class Tally:
    def __init__(self):
        self._lock = threading.Lock()
        self._counts = collections.Counter()
        self._begin = time.monotonic()

    def add(self, what, count=1):
        with self._lock:
            self._counts[what] += count

    def __str__(self):
        with self._lock:
            counts = ", ".join(f"{what} {count:,.0f}" for what, count in sorted(self._counts.items()))
        return f"{time.monotonic() - self._begin:7,.0f} s: {counts}"


class Pace:
    """Rests after each piece of work for so long that the pieces take this share of the time."""

    def __init__(self, share):
        self._share = share
        self._local = threading.local()

    def rest(self):
        now = time.monotonic()
        begin = getattr(self._local, "begin", now)
        if self._share < 1:
            stand.wait_briefly(min(MAX_REST_S, (now - begin) * (1 / self._share - 1)))
        self._local.begin = time.monotonic()
