#!/usr/bin/env python3
"""Shows that a snapshot of a mounted file system under a busy database is what a power cut would
leave: ext4 over nbdfuse and a loop device, sqlite3 committing one transaction after the other while
snapshots are made. Each snapshot's file system replays its journal and is clean, its database is
whole, and it holds a prefix of the transactions, with all that were committed before `create`."""

import sqlite3
import threading

import stand

stand.need("nbdkit", "nbdfuse", "fusermount3", "mkfs.ext4", "e2fsck", "mount", mount=True)

SNAPSHOTS = 3


class Database:
    """Commits transactions 1, 2, 3..., two rows each, until it is told to stop."""

    def __init__(self, path):
        self._path = path
        self._stopping = threading.Event()
        self.committed = 0
        self.failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            connection = sqlite3.connect(self._path)
            # FULL may lose the last commit: it does not sync the unlinking of the journal.
            connection.execute("PRAGMA synchronous=EXTRA")
            connection.execute("CREATE TABLE pair (nr INTEGER, half INTEGER, text BLOB)")
            while not self._stopping.is_set():
                nr = self.committed + 1
                with connection:
                    for half in (0, 1):
                        connection.execute("INSERT INTO pair VALUES (?, ?, ?)",
                                           (nr, half, bytes([nr % 256]) * 3000))
                self.committed = nr
            connection.close()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def wait_for(self, count):
        stand.wait_until(lambda: self.failure or self.committed >= count, "no transactions")

    def stop(self):
        self._stopping.set()
        self._thread.join(stand.PATIENCE_S)


class FileSystem(stand.StandTest):
    ORIGIN_BYTES = 96 << 20
    STORE_BYTES = 128 << 20

    def test_a_database_at_work(self):
        disk = self.stand.attach("", "volume")
        stand.run_tool("mkfs.ext4", "-q", disk)
        folder = self.stand.mount(disk, "volume")
        database = Database(folder + "/busy.db")
        committed = []
        for number in range(SNAPSHOTS):
            database.wait_for(database.committed + 15)
            committed.append(database.committed)
            self.stand.create(str(number))
        database.wait_for(database.committed + 15)
        database.stop()
        self.assertIsNone(database.failure)
        for number, at_least in enumerate(committed):
            self.check_snapshot(str(number), at_least)
        self.stand.unmount("volume")
        stand.run_tool("e2fsck", "-fn", disk)

    def check_snapshot(self, tag, at_least):
        name = f"snapshot{tag}"
        disk = self.stand.attach(tag, name)
        folder = self.stand.mount(disk, name)  # replays the journal, in the snapshot
        connection = sqlite3.connect(folder + "/busy.db")
        self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        rows = connection.execute("SELECT nr, half, text FROM pair ORDER BY nr, half").fetchall()
        connection.close()
        count = len(rows) // 2
        self.assertGreaterEqual(count, at_least)
        self.assertEqual(rows, [(nr, half, bytes([nr % 256]) * 3000)
                                for nr in range(1, count + 1) for half in (0, 1)])
        self.stand.unmount(name)
        stand.run_tool("e2fsck", "-fn", disk)


if __name__ == "__main__":
    stand.main()
