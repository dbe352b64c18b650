#!/usr/bin/env python3
"""Shows that the nbdkit plugin keeps the promises of its NBD flags: many connections are one volume,
parallel requests each get their own answer, FUA and flush are offered and work, trim is advice,
write-zeroes reads zero, and the exports are what their names say. By a client of our own that sees
every answer, and by nbdinfo."""

import json
import random
import threading

import stand
from nbd_client import FLAG_FUA, READ, WRITE, NbdError

stand.need("nbdkit", "nbdinfo", "nbdcopy")

WRITERS = 6
BLOCK_BYTES = 512  # the smallest request, as the plugin says
REGION_BYTES = 2 << 20
MAX_REQUEST_BLOCKS = 96


def some_range(chaos, end_bytes):
    length = chaos.randrange(1, MAX_REQUEST_BLOCKS) * BLOCK_BYTES
    return chaos.randrange((end_bytes - length) // BLOCK_BYTES) * BLOCK_BYTES, length


class Plugin(stand.StandTest):
    def test_what_is_offered(self):
        for able in ("connect", "write", "flush", "fua", "trim", "zero", "multi-conn"):
            stand.run_tool("nbdinfo", "--can", able, self.stand.uri())
        self.stand.create("0")
        self.stand.create("1")
        for able in ("write", "flush", "fua", "multi-conn"):
            stand.run_tool("nbdinfo", "--can", able, self.stand.uri("0"))
        stand.run_tool("nbdinfo", "--is", "read-only", self.stand.uri("0..1"))
        for export in ("", "origin", "0", "0..1"):
            size = int(stand.run_tool("nbdinfo", "--size", self.stand.uri(export)))
            self.assertEqual(size, self.ORIGIN_BYTES)

    def test_a_request_that_is_not_of_whole_blocks_is_refused_and_harms_nothing(self):
        with self.stand.client() as client:
            for at, length in ((1, 512), (0, 511), (256, 512)):
                with self.assertRaises(NbdError):
                    client.write(at, b"x" * length)
            self.assertEqual(client.read(0, 4096), bytes(4096))

    def test_unknown_exports_are_refused_and_harm_nothing(self):
        self.stand.create("0")
        for export in ("nothing", "0..nothing", "nothing..0", "0..", "..0", "a/b", "x" * 200):
            with self.assertRaises(NbdError):
                self.stand.client(export)
        with self.stand.client("0") as client:
            self.assertEqual(client.read(0, 512), bytes(512))

    def test_what_one_connection_wrote_all_others_read(self):
        clients = [self.stand.client() for _ in range(WRITERS)]
        for number, writer in enumerate(clients):
            content = bytes([number + 1]) * 5120
            writer.write(number * 5120, content)
            for reader in clients:
                self.assertEqual(reader.read(number * 5120, 5120), content)
        clients[0].flush()
        for client in clients:
            client.close()

    def test_parallel_requests_in_one_connection(self):
        """All sent before any answer is taken; the answers come in any order."""
        chaos = random.Random(stand.SEED)
        client = self.stand.client()
        pieces = {}
        for slot in range(64):
            content = chaos.randbytes(chaos.randrange(1, 33) * 512)
            pieces[client.send_request(WRITE, slot << 16, len(content), content,
                                       chaos.choice((0, FLAG_FUA)))] = (slot, content)
        for _ in range(len(pieces)):
            _, error, _ = client.receive()
            self.assertEqual(error, 0)
        lengths, expected = {}, {}
        for slot, content in pieces.values():
            cookie = client.send_request(READ, slot << 16, len(content))
            lengths[cookie], expected[cookie] = len(content), content
        for _ in range(len(expected)):
            cookie, error, data = client.receive(lengths)
            self.assertEqual((error, data), (0, expected[cookie]))
        client.close()

    def test_parallel_writers_under_snapshots(self):
        """Each writer has a region, pieces across chunks, and a model; snapshots come in between."""
        models = [bytearray(REGION_BYTES) for _ in range(WRITERS)]
        failures = []

        def write(number):
            chaos = random.Random(stand.SEED * 100 + number)
            try:
                with self.stand.client() as client:
                    for _ in range(150):
                        at, length = some_range(chaos, REGION_BYTES)
                        content = chaos.randbytes(length)
                        if chaos.randrange(8) == 0:
                            content = bytes(length)
                            client.write_zeroes(number * REGION_BYTES + at, length,
                                                chaos.choice((0, FLAG_FUA)))
                        else:
                            client.write(number * REGION_BYTES + at, content,
                                         chaos.choice((0, 0, FLAG_FUA)))
                        models[number][at:at + length] = content
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        for number in range(5):
            self.stand.create(str(number))
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        with self.stand.client() as client:
            for number, model in enumerate(models):
                self.assertEqual(client.read(number * REGION_BYTES, REGION_BYTES), bytes(model))

    def test_acknowledged_fua_writes_are_in_the_origin_itself(self):
        """The origin's data stays in its own layout: the file has it without ddsnap."""
        with self.stand.client() as client:
            client.write(102_400, b"kept" * 1024, FLAG_FUA)
            client.write_zeroes(103_424, 512, FLAG_FUA)
        expected = bytearray(b"kept" * 1024)
        expected[1024:1536] = bytes(512)
        with open(self.stand.origin, "rb") as file:
            file.seek(102_400)
            self.assertEqual(file.read(4096), bytes(expected))

    def test_trim_is_advice_and_no_snapshot_loses_by_it(self):
        content = random.Random(stand.SEED).randbytes(256 << 10)
        with self.stand.client() as client:
            client.write(0, content)
            self.stand.create("0")
            client.trim(0, len(content))          # nothing of it is granted: undone
            first_writes = self.stand.status()["first_writes"]
            client.write(0, b"new!" * 128)        # now the first chunk is
            client.trim(0, stand.CHUNK_BYTES)
            self.assertEqual(self.stand.status()["first_writes"], first_writes + 1)
            self.assertIn(client.read(stand.CHUNK_BYTES, 512),
                          (bytes(512), content[stand.CHUNK_BYTES:][:512]))
        with self.stand.client("0") as snapshot:
            self.assertEqual(snapshot.read(0, len(content)), content)

    def test_a_snapshot_can_be_written_and_neither_origin_nor_other_snapshots_see_it(self):
        chaos = random.Random(stand.SEED)
        old = chaos.randbytes(1 << 20)
        with self.stand.client() as origin:
            origin.write(0, old)
            self.stand.create("0")
            self.stand.create("1")
            with self.stand.client("0") as snapshot:
                mine = bytearray(old)
                for _ in range(40):
                    at, length = some_range(chaos, len(old))
                    content = chaos.randbytes(length)
                    snapshot.write(at, content)
                    mine[at:at + length] = content
                snapshot.write_zeroes(5120, 51_200, FLAG_FUA)
                mine[5120:56_320] = bytes(51_200)
                snapshot.flush()
                self.assertEqual(snapshot.read(0, len(old)), bytes(mine))
            self.assertEqual(origin.read(0, len(old)), old)
        for export, expected in (("1", old), ("0", bytes(mine))):
            with self.stand.client(export) as again:
                self.assertEqual(again.read(0, len(old)), expected)

    def test_list_of_exports(self):
        for tag in ("0", "monday", "v1.2"):
            self.stand.create(tag)
        listed = json.loads(stand.run_tool("nbdinfo", "--list", "--json", self.stand.uri()))
        names = [export["export-name"] for export in listed["exports"]]
        self.assertEqual(names, ["origin", "0", "monday", "v1.2"])
        uuids = [export.get("description", "") for export in listed["exports"][1:]]
        self.assertTrue(all("ddsnap snapshot uuid=" in text for text in uuids), uuids)
        self.stand.ddsnap("delete", self.stand.server, "monday")
        listed = json.loads(stand.run_tool("nbdinfo", "--list", "--json", self.stand.uri()))
        self.assertEqual(len(listed["exports"]), 3)


if __name__ == "__main__":
    stand.main()
