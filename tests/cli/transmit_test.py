#!/usr/bin/env python3
"""transmit, listen and compare over the wire, between a server and a copy on the same machine: over
plain loopback, TLS with a key and with certificates, and the pipes of a command; onto a file and
onto a volume with a server of its own. What is sent is counted; what is refused writes nothing."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import harness
from harness import DDSNAP, PATIENCE_S, ServerTest, VOLUME_BYTES, wait_until

CHUNK_BYTES = 16 << 10


class Transmit(ServerTest):
    """Upstream is the server of ServerTest with snapshots 0 and 1; downstream copy.img, a copy of 0."""

    def setUp(self):
        super().setUp()
        self.snapshot0 = (self.folder / "origin.img").read_bytes()
        self.snapshot1 = (self.folder / "new.img").read_bytes()
        self.succeed("create", "server", "0")
        self.write("copy.img", bytes(VOLUME_BYTES))
        self.make_snapshot1()

    def make_snapshot1(self):
        self.succeed("create-cl", "--compare", "cl", "origin.img", "new.img")
        self.succeed("create-delta", "-r", "cl", "delta", "new.img")
        self.succeed("apply-delta", "delta", "ddsnap:server")
        self.succeed("create", "server", "1")

    def listen(self, *words):
        """A listener in the foreground; its address."""
        log = self.path("listen.log")
        pathlib.Path(log).unlink(missing_ok=True)
        process = subprocess.Popen(
            [DDSNAP, "listen", "-f", "-l", log, *words], cwd=self.folder,
            stdin=subprocess.DEVNULL, env={**os.environ, "DDSNAP_STATE_DIR": self.path("state")})
        self.addCleanup(process.wait, PATIENCE_S)
        self.addCleanup(process.kill)
        self.listener = process
        wait_until(lambda: re.search(r": at (\S+?),? ?(no TLS)?\n", self.log()))
        return re.search(r": at ([^\s,]+)", self.log()).group(1)

    def log(self):
        path = self.folder / "listen.log"
        return path.read_text() if path.exists() else ""

    def stop_listening(self):
        self.listener.terminate()
        self.assertEqual(self.listener.wait(PATIENCE_S), 0)

    def transmit(self, *words):
        return json.loads(self.succeed("transmit", "--json", *words))

    def copy(self, name="copy.img"):
        return (self.folder / name).read_bytes()

    def make_key(self, name="key", byte="a"):
        self.write(name, (byte * 64 + "\n").encode())
        os.chmod(self.path(name), 0o600)

    # ---- the way it is used ----

    def test_a_first_copy_then_changes_then_nothing(self):
        for host in ("127.0.0.1:0", "[::1]:0"):
            with self.subTest(host=host):
                self.write("copy.img", bytes(VOLUME_BYTES))
                shutil.rmtree(self.path("state"), ignore_errors=True)
                address = self.listen(host, "vol=copy.img")
                refused = self.run_ddsnap("transmit", "server", address, "0")
                self.check_error(refused, 1, "--resync")
                self.assertEqual(self.copy(), bytes(VOLUME_BYTES))
                first = self.transmit("--resync", "server", address + "/vol", "0")
                self.assertEqual(self.copy(), self.snapshot0)
                self.assertEqual(first["from"], "")
                second = self.transmit("server", address, "1")
                self.assertEqual(self.copy(), self.snapshot1)
                self.assertEqual([second["from"], second["was_there"]], ["0", False])
                self.assertLess(second["sent_bytes"], VOLUME_BYTES // 4)
                third = self.transmit("server", address, "0", "1")
                self.assertTrue(third["was_there"])
                self.assertLess(third["sent_bytes"], 1000)
                self.stop_listening()

    def test_onto_a_volume_with_a_server_of_its_own(self):
        self.make_down()
        address = self.listen("127.0.0.1:0", "vol=down")
        self.transmit("--resync", "server", address, "0")
        self.transmit("server", address, "1")
        self.assertEqual(self.copy("down.img"), self.snapshot1)
        here, there = (json.loads(self.succeed("list", "--json", one)) for one in ("server", "down"))
        self.assertEqual([[one["tag"], one["uuid"]] for one in there],
                         [[one["tag"], one["uuid"]] for one in here])
        for tag in ("0", "1"):
            self.assertEqual(self.succeed("compare", f"ddsnap:server#{tag}", f"ddsnap:down#{tag}"), b"")
            self.assertEqual(self.succeed("compare", f"ddsnap:server#{tag}",
                                          f"tcp://{address}/vol#{tag}"), b"")
        # Somebody writes downstream: refused by name, and nothing is written; a resync mends it.
        self.succeed("apply-delta", "--force", "delta", "ddsnap:down")
        self.succeed("create-cl", "--compare", "cl2", "new.img", "copy.img")
        self.succeed("create-delta", "-r", "cl2", "delta2", "copy.img")
        self.succeed("apply-delta", "--force", "delta2", "ddsnap:down")
        self.succeed("create", "server", "2")
        self.check_error(self.run_ddsnap("transmit", "server", address, "2"), 1, "was written since")
        self.assertEqual(self.copy("down.img"), bytes(VOLUME_BYTES))
        # Put back by a rollback it is what it was: written is not different.
        self.succeed("rollback", "down", "1")
        self.transmit("server", address, "2")
        self.succeed("apply-delta", "--force", "delta2", "ddsnap:down")
        self.check_error(self.run_ddsnap("transmit", "server", address, "2"), 1, "was written since")
        self.transmit("--resync", "server", address, "2")
        self.assertEqual(self.copy("down.img"), self.snapshot1)
        self.assertEqual(self.succeed("compare", "ddsnap:server#2", "ddsnap:down#2"), b"")

    def test_what_was_cut_off_goes_on(self):
        # Through a command that ends after so many bytes: as a link that is cut.
        self.write("copy.img", bytes(VOLUME_BYTES))
        listen = f"{DDSNAP} listen --stdio vol=copy.img"
        how = ("-g", "0", "--window", "64K", "--command")
        whole = self.transmit("--resync", *how, listen, "server", "0")
        self.assertEqual(self.copy(), self.snapshot0)
        whole = self.transmit(*how, listen, "server", "1")
        self.assertEqual(self.copy(), self.snapshot1)
        self.write("copy.img", self.snapshot0)
        shutil.rmtree(self.path("state"))
        self.transmit("--resync", *how, listen, "server", "0")
        cut = whole["sent_bytes"] * 8 // 10
        ran = self.run_ddsnap("transmit", *how, f"stdbuf -o0 head -c {cut} | {listen}", "server", "1")
        self.assertEqual(ran.returncode, 1, ran.stderr)
        self.assertNotEqual(self.copy(), self.snapshot1)
        rest = self.transmit(*how, listen, "server", "1")
        self.assertEqual(self.copy(), self.snapshot1)
        self.assertTrue(rest["was_resumed"])
        self.assertLess(rest["sent_bytes"], whole["sent_bytes"] * 2 // 10 + 3 * (64 << 10))

    def make_down(self):
        self.write("down.img", bytes(VOLUME_BYTES))
        self.make_store_file("down-store.img")
        self.succeed("initialize", "down-store.img", "down.img")
        self.start("server", "-f", "down-store.img", "down.img", "control", "down")
        wait_until(lambda: self.run_ddsnap("list", "down").returncode == 0)

    def write_to_down(self, chunk):
        present = self.copy("down.img")
        changed = bytearray(present)
        changed[chunk * CHUNK_BYTES:(chunk + 1) * CHUNK_BYTES] = b"stranger" * (CHUNK_BYTES // 8)
        self.write("present", present)
        self.write("changed", changed)
        self.succeed("create-cl", "--compare", "clx", "present", "changed")
        self.succeed("create-delta", "-r", "clx", "deltax", "changed")
        self.succeed("apply-delta", "--force", "deltax", "ddsnap:down")

    def resume_after_a_stranger(self, chunk):
        """The rest of a transfer that was cut off, after somebody wrote where it had been already."""
        how = ("-g", "0", "--window", "16K", "--command")
        listen = f"{DDSNAP} listen --stdio vol=down"
        self.make_down()
        self.transmit("--resync", *how, listen, "server", "0")
        ran = self.run_ddsnap("transmit", *how, f"stdbuf -o0 head -c 50000 | {listen}", "server", "1")
        self.assertEqual(ran.returncode, 1, ran.stderr)
        self.assertEqual(self.copy("down.img")[100_000:101_000], self.snapshot1[100_000:101_000])
        self.write_to_down(chunk)
        return self.run_ddsnap("transmit", *how, listen, "server", "1")

    def test_a_stranger_before_the_rest_is_overwritten_by_the_transfer(self):
        ran = self.resume_after_a_stranger(100_000 // CHUNK_BYTES)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(self.copy("down.img"), self.snapshot1)

    def test_a_stranger_before_the_rest_is_named_where_nothing_overwrites_him(self):
        ran = self.resume_after_a_stranger(1)
        for _ in range(2):
            self.assertEqual(ran.returncode, 1)
            self.assertIn(b"somebody else wrote here since '0'", ran.stderr)
            self.assertNotIn(b'"1"', self.succeed("list", "--json", "down"))
            ran = self.run_ddsnap("transmit", "--command", f"{DDSNAP} listen --stdio vol=down", "server", "1")
        self.transmit("--resync", "--command", f"{DDSNAP} listen --stdio vol=down", "server", "1")
        self.assertEqual(self.copy("down.img"), self.snapshot1)

    def test_a_listener_that_is_killed_while_it_writes(self):
        address = self.listen("127.0.0.1:0", "vol=copy.img")
        self.transmit("--resync", "server", address, "0")
        self.assertEqual(self.copy(), self.snapshot0)
        sending = subprocess.Popen(
            [DDSNAP, "transmit", "-l", "64K", "-g", "0", "--window", "32K", "server", address, "1"],
            cwd=self.folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(sending.stderr.close)
        self.addCleanup(sending.kill)
        wait_until(lambda: self.copy()[:290_000] == self.snapshot1[:290_000])
        self.listener.kill()
        self.assertEqual(sending.wait(PATIENCE_S), 1)
        self.listener.wait(PATIENCE_S)
        self.assertNotEqual(self.copy(), self.snapshot1)
        rest = self.transmit("server", self.listen("127.0.0.1:0", "vol=copy.img"), "1")
        self.assertEqual(self.copy(), self.snapshot1)
        self.assertTrue(rest["was_resumed"])

    def test_the_audit_names_what_differs(self):
        address = self.listen("127.0.0.1:0", "vol=copy.img")
        self.transmit("--resync", "server", address, "1")
        clean = self.transmit("--audit", "0/1", "server", address, "1")
        self.assertEqual(clean["audit"], {"offset_bytes": 0, "length_bytes": VOLUME_BYTES,
                                          "differences": []})
        at = 5 * CHUNK_BYTES
        with open(self.path("copy.img"), "r+b") as copy:
            copy.seek(at + 100)
            copy.write(b"not what it was")
        ran = self.run_ddsnap("transmit", "--audit", "0/2", "server", address, "1")
        self.assertEqual((ran.returncode, ran.stdout), (3, f"{at} {CHUNK_BYTES}\n".encode()), ran.stderr)
        self.assertEqual(self.run_ddsnap("transmit", "--audit", "1/2", "server", address,
                                         "1").returncode, 0)
        ran = self.run_ddsnap("compare", "-c", "16K", "ddsnap:server#1", f"tcp://{address}")
        self.assertEqual((ran.returncode, ran.stdout), (3, f"{at} {CHUNK_BYTES}\n".encode()), ran.stderr)
        self.transmit("--resync", "--audit", "0/1", "server", address, "1")
        self.assertEqual(self.copy(), self.snapshot1)

    def test_a_job_sends_by_tcp_and_audits_part_after_part(self):
        self.make_key()
        address = self.listen("--key", "key", "127.0.0.1:0", "vol=copy.img")
        self.transmit("--resync", "--key", "key", "server", address, "0")
        self.write("job.conf", f"""[volume]
server = {self.path("server")}
state = {self.path("jobs")}
take-snapshots = no
[target there]
transport = tcp
host = {address}
remote = vol
key = {self.path("key")}
audit = 2
""".encode())
        self.succeed("config", "check", "--config", str(self.folder), "job")
        replicate = ("replicate", "--config", str(self.folder), "job", "there")
        self.succeed(*replicate)
        self.assertEqual(self.copy(), self.snapshot1)
        with open(self.path("copy.img"), "r+b") as copy:
            copy.seek(VOLUME_BYTES // 2 + 5 * CHUNK_BYTES)
            copy.write(b"not what it was")
        ran = self.run_ddsnap(*replicate)  # the second of two parts
        self.assertEqual(ran.returncode, 3, ran.stderr)
        at = VOLUME_BYTES // 2 + 5 * CHUNK_BYTES
        self.assertIn(f"first {CHUNK_BYTES} bytes at {at}".encode(), ran.stderr)
        self.transmit("--resync", "--key", "key", "server", address, "1")
        self.succeed(*replicate)
        state = json.loads((self.folder / "jobs" / "state.json").read_text())
        self.assertEqual(state["targets"]["there"]["audit_part"], 0)

    # ---- who may ----

    def test_with_a_key(self):
        self.make_key()
        self.make_key("other", "b")
        address = self.listen("--key", "key", "127.0.0.1:0", "vol=copy.img")
        for words in ((), ("--key", "other")):
            ran = self.run_ddsnap("transmit", "--resync", *words, "server", address, "1")
            self.check_error(ran, 1, "do both sides have the same ")
            self.assertEqual(self.copy(), bytes(VOLUME_BYTES))
        self.assertIn("the same key", self.log())
        self.transmit("--resync", "--key", "key", "server", address, "1")
        self.assertEqual(self.copy(), self.snapshot1)
        self.assertEqual(self.succeed("compare", "--key", "key", "new.img", f"tcp://{address}"), b"")

    def test_a_key_for_each_sender(self):
        os.makedirs(self.path("keys/vol"))
        for name, byte in (("keys/office.key", "a"), ("keys/vol/branch.key", "b"), ("stranger", "c")):
            self.make_key(name, byte)
        self.write("other.img", bytes(VOLUME_BYTES))
        address = self.listen("--keys", "keys", "127.0.0.1:0", "vol=copy.img", "other=other.img")
        for key, volume in (("stranger", "vol"), ("keys/vol/branch.key", "other")):
            ran = self.run_ddsnap("transmit", "--resync", "--key", key, "server", f"{address}/{volume}", "1")
            self.assertIn(ran.returncode, (1, 4), ran.stderr)
        self.assertEqual([self.copy(), self.copy("other.img")], [bytes(VOLUME_BYTES)] * 2)
        self.assertIn("no volume 'other' here for vol/branch", self.log())
        for key, volume in (("keys/vol/branch.key", "vol"), ("keys/office.key", "other"), ("keys/office.key", "vol")):
            self.transmit("--resync", "--key", key, "server", f"{address}/{volume}", "1")
        self.assertEqual([self.copy(), self.copy("other.img")], [self.snapshot1] * 2)
        self.assertRegex(self.log(), r"(?s): is vol/branch\n.*: is office\n")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, timeout=PATIENCE_S,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make_certificate(self, name, authority):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self.write(f"{name}.ext", b"subjectAltName=DNS:localhost\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey",
                     f"{authority}.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext",
                     "-out", f"{name}.crt")
        both = (self.folder / f"{name}.crt").read_bytes() + (self.folder / f"{name}.key").read_bytes()
        self.write(f"{name}.both", both)
        os.chmod(self.path(f"{name}.both"), 0o600)

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_with_certificates(self):
        for authority in ("ours", "theirs"):
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                         "-nodes", "-days", "2", "-subj", f"/CN={authority}", "-keyout",
                         f"{authority}.key", "-out", f"{authority}.pem")
        self.make_certificate("here", "ours")
        self.make_certificate("there", "ours")
        self.make_certificate("stranger", "theirs")
        address = self.listen("--cert", "there.both", "--ca", "ours.pem", "127.0.0.1:0",
                              "vol=copy.img")
        name = address.replace("127.0.0.1", "localhost")
        wrong = [(("--cert", "stranger.both", "--ca", "ours.pem"), name),
                 (("--cert", "here.both", "--ca", "theirs.pem"), name),
                 (("--cert", "here.both", "--ca", "ours.pem"), address)]  # not the name it has
        for words, host in wrong:
            ran = self.run_ddsnap("transmit", "--resync", *words, "server", host, "1")
            self.assertEqual(ran.returncode, 1, (words, ran.stderr))
            self.assertEqual(self.copy(), bytes(VOLUME_BYTES))
        self.transmit("--resync", "--cert", "here.both", "--ca", "ours.pem", "server", name, "1")
        self.assertEqual(self.copy(), self.snapshot1)

    def test_other_machines_want_a_key(self):
        self.check_error(self.run_ddsnap("listen", "-f", ":0", "vol=copy.img"), 2, "--insecure")

    def test_what_is_none_is_refused(self):
        self.make_key("short", "")
        for words in (("transmit", "server", "localhost"),
                      ("transmit", "--audit", "5", "server", "localhost", "1"),
                      ("transmit", "--audit", "1/0", "server", "localhost", "1"),
                      ("transmit", "-l", "100", "server", "localhost", "1"),
                      ("transmit", "--window", "1", "server", "localhost", "1"),
                      ("transmit", "server", "::1", "1"),
                      ("transmit", "--key", "short", "server", "localhost", "1"),
                      ("transmit", "--cert", "short", "server", "localhost", "1"),
                      ("listen", "localhost:0"), ("listen", "localhost:0", "copy.img"),
                      ("listen", "--stdio")):
            self.check_error(self.run_ddsnap(*words), 2)
        address = self.listen("127.0.0.1:0", "vol=copy.img")
        for words in (("server", address, "9"), ("server", address + "/other", "0")):
            self.check_error(self.run_ddsnap("transmit", "--resync", *words), 4)
        self.check_error(self.run_ddsnap("listen", "-f", address, "vol=copy.img"), 5)
        self.stop_listening()
        self.check_error(self.run_ddsnap("transmit", "server", address, "0"), 1, "nobody listens")
        self.assertEqual(self.copy(), bytes(VOLUME_BYTES))


class Daemon(harness.CliTest):
    def test_it_detaches_when_it_accepts(self):
        self.write("copy.img", bytes(VOLUME_BYTES))
        self.succeed("listen", "-l", "log", "-p", "pid", "127.0.0.1:0", "vol=copy.img")
        pid = int((self.folder / "pid").read_text())
        os.kill(pid, 15)
        wait_until(lambda: not (self.folder / "pid").exists())


if __name__ == "__main__":
    unittest.main()
