"""Others: clients that do one thing over and over and note how long it took, while something else goes
on. Questions to the server, first writes and snapshot reads through nbdkit, questions to the agent.

Threads: one for each kind; measure() and stop() are called from another. Errors: in failures.
"""

import random
import threading
import time

import raw_client
import stand
from raw_client import RawClient

MEASURED_S = 1.5
LEAST = 20  # measurements of each kind


class Bystanders:
    def __init__(self, volume, content):
        """Needs a snapshot "first" whose beginning is this content."""
        self._volume = volume
        self._content = content
        self._stopping = threading.Event()
        self._next_chunk = 0
        self.took_ms = {"question": [], "first write": [], "snapshot read": [], "agent": []}
        self.failures = []
        doings = (self._questions, self._first_writes, self._snapshot_reads, self._agent_questions)
        self._threads = [threading.Thread(target=self._guard, args=(doing,), daemon=True)
                         for doing in doings]
        for thread in self._threads:
            thread.start()

    def measure(self):
        """What things took from now on, for a while."""
        for took in self.took_ms.values():
            took.clear()
        begin = time.monotonic()
        stand.wait_until(lambda: self.failures or (
            time.monotonic() > begin + MEASURED_S and
            all(len(took) >= LEAST for took in self.took_ms.values())), "others are not served")
        if self.failures:
            raise self.failures[0]
        return {what: sorted(took) for what, took in self.took_ms.items()}

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(stand.PATIENCE_S)

    def _guard(self, doing):
        try:
            doing()
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(error)

    def _repeat(self, what, act):
        while not self._stopping.is_set():
            begin = time.monotonic()
            act()
            self.took_ms[what].append((time.monotonic() - begin) * 1000)
            stand.wait_briefly(0.002)

    def _questions(self):
        client = RawClient(self._volume.server)
        self._repeat("question", lambda: client.ask(raw_client.GET_STATUS))
        client.close()

    def _agent_questions(self):
        """Of a pair that nobody serves there is no answer; a wrong body has one at once."""
        def ask():
            client = RawClient(self._volume.control)
            kind, _ = client.ask(raw_client.FIND_SERVER, b"wrong")
            assert kind == raw_client.ERROR
            client.close()
        self._repeat("agent", ask)

    def _first_writes(self):
        with self._volume.client() as client:
            chunks = client.size_bytes // stand.CHUNK_BYTES

            def write():
                at = self._next_chunk % chunks * stand.CHUNK_BYTES
                self._next_chunk += 1
                client.write(at, b"written" * 73 + b"!")
            self._repeat("first write", write)

    def _snapshot_reads(self):
        chaos = random.Random(stand.SEED)
        with self._volume.client("first") as client:
            def read():
                at = chaos.randrange(len(self._content) // 4096) * 4096
                assert client.read(at, 4096) == self._content[at:at + 4096]
            self._repeat("snapshot read", read)


def in_words(took_ms):
    return "; ".join(f"{what} {took[len(took) // 2]:.1f} / {took[-1 - len(took) // 100]:.1f} / "
                     f"{took[-1]:.1f}" for what, took in took_ms.items())
