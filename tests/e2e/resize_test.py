#!/usr/bin/env python3
"""Shows `resize` of a volume in use: a snapstore file that was made larger gives new room while its
origin is written, an origin grows under its snapshots, which keep size and content, a delta across
the growth makes a downstream copy equal, and all of it survives a restart. What has grown while no
server ran is no write behind our back. Shrinking is refused, and so are new slots while a snapshot's
target counts them."""

import os
import pathlib
import random
import signal

import stand

stand.need("nbdkit", "nbdcopy")


class Resize(stand.StandTest):
    ORIGIN_BYTES = (8 << 20) + 4096  # ends inside a chunk
    STORE_BYTES = 8 << 20

    def start(self):
        self.random = random.Random(stand.SEED)
        pathlib.Path(self.stand.origin).write_bytes(self.random.randbytes(self.ORIGIN_BYTES))
        super().start()

    def content(self):
        return pathlib.Path(self.stand.origin).read_bytes()

    def snapshot(self, tag):
        return pathlib.Path(self.stand.copy_out(tag, f"copy-{tag}")).read_bytes()

    def test_a_snapstore_grows_while_its_origin_is_written(self):
        self.stand.ddsnap("create", "--priority", "127", self.stand.server, "0")
        before = self.content()
        total = self.stand.status()["slots_total"]
        client = self.stand.client()
        with self.assertRaises(OSError):  # no room for all of it, and nothing may be dropped
            for at in range(0, 8 << 20, 64 << 10):
                client.write(at, self.random.randbytes(64 << 10))
        os.truncate(self.stand.snapstore, 32 << 20)
        self.stand.ddsnap("resize", "--dry-run", self.stand.server)
        self.assertEqual(self.stand.status()["slots_total"], total)
        self.stand.ddsnap("resize", "--snapstore", self.stand.server)
        self.assertEqual(self.stand.status()["slots_total"], total + (24 << 20) // stand.CHUNK_BYTES)
        self.assertEqual(os.stat(self.stand.snapstore).st_blocks * 512 // (32 << 20), 1, "it has holes")
        for at in range(0, 8 << 20, 64 << 10):
            client.write(at, self.random.randbytes(64 << 10))
        client.flush()
        client.close()
        self.assertEqual(self.snapshot("0"), before)
        self.stand.kill("server")
        self.stand.start_server()
        self.assertEqual(self.snapshot("0"), before)
        with self.stand.client("0"):  # its target knows the number of slots
            os.truncate(self.stand.snapstore, 40 << 20)
            self.check_error(self.stand.run("resize", self.stand.server), 5, "nbdkit-")

    def test_an_origin_grows_under_its_snapshots(self):
        self.stand.create("small")
        small = self.content()
        os.truncate(self.stand.origin, 12 << 20)
        self.stand.ddsnap("resize", "--origin", self.stand.server)
        self.assertEqual(self.stand.status()["origin_bytes"], 12 << 20)
        client = self.stand.client()  # attached before: it keeps its size, and goes on
        client.write(0, self.random.randbytes(4096))
        client.close()
        self.stand.kill("nbdkit", signal.SIGTERM)
        self.stand.start_nbdkit()
        client = self.stand.client()
        client.write(11 << 20, self.random.randbytes(1 << 20))
        client.write(self.ORIGIN_BYTES - 4096, self.random.randbytes(64 << 10))
        client.flush()
        client.close()
        self.stand.create("large")
        self.assertEqual(self.snapshot("small"), small)
        self.assertEqual(self.snapshot("large"), self.content())
        copy = self.stand.path("downstream")
        pathlib.Path(copy).write_bytes(small)
        os.truncate(copy, 12 << 20)
        server = self.stand.server
        self.stand.ddsnap("create-cl", server, "cl", "small", "large")
        self.stand.ddsnap("create-delta", "cl", "delta", f"ddsnap:{server}#small", f"ddsnap:{server}#large")
        self.stand.ddsnap("apply-delta", "--force", "delta", copy)
        self.assert_same(copy, self.stand.origin)
        self.stand.kill("server")
        self.stand.start_server()
        self.assertEqual(self.stand.status()["origin_bytes"], 12 << 20)
        self.assertEqual(self.snapshot("small"), small)

    def write_and_leave(self):
        """The last target of the origin says goodbye; then nobody is there."""
        with self.stand.client() as client:
            client.write(64 << 10, self.random.randbytes(4096))
        self.stand.kill("nbdkit", signal.SIGTERM)
        self.stand.kill("server", signal.SIGTERM)

    def test_what_grew_while_no_server_ran_was_not_written(self):
        self.stand.create("small")
        small = self.content()
        self.write_and_leave()
        os.truncate(self.stand.origin, 12 << 20)
        self.stand.start_server()
        self.stand.ddsnap("resize", "--origin", self.stand.server)
        self.stand.kill("server")
        self.stand.start_server()
        self.stand.start_nbdkit()
        self.assertNotIn("was written while no target", self.stand.log("server"))
        self.stand.ddsnap("create-cl", self.stand.server, "cl", "small", "now")
        self.assertEqual(self.snapshot("small"), small)
        # One byte of what was the volume is another matter.
        self.write_and_leave()
        os.truncate(self.stand.origin, 16 << 20)
        with open(self.stand.origin, "r+b") as origin:
            origin.seek(1024)
            origin.write(b"someone")
        self.stand.start_server()
        self.assertIn("was written while no target", self.stand.log("server"))

    def test_shrinking_is_refused(self):
        self.stand.create("0")
        os.truncate(self.stand.origin, 4 << 20)
        self.check_error(self.stand.run("resize", "--origin", self.stand.server), 2, "shrinking is refused")
        os.truncate(self.stand.snapstore, 4 << 20)
        self.check_error(self.stand.run("resize", "--snapstore", self.stand.server), 2, "shrinking is refused")


if __name__ == "__main__":
    stand.main()
