"""A Ceph cluster of one monitor and one memory-backed OSD on the loopback address, without root's
folders and without authentication. Started, used and gone within a test."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid

PROGRAMS = ("rbd", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool")
PATIENCE_S = 240  # a cluster on a busy machine
POLL_S = 0.2

CONFIGURATION = """[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{port}
ms_bind_msgr2 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 1073741824
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
pid_file = {folder}/$name.pid
keyring = {folder}/keyring
mon_data = {folder}/mon
osd_data = {folder}/osd
osd_max_object_name_len = 256
osd_max_object_namespace_len = 64
"""


def missing_programs():
    return [name for name in PROGRAMS if shutil.which(name) is None]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ended_within(daemon, seconds):
    try:
        daemon.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


class CephNode:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="ddsnap-ceph-")
        self.daemons = []
        self.environment = {**os.environ, "CEPH_CONF": os.path.join(self.folder, "ceph.conf")}
        try:
            self.start()
        except Exception:
            self.close()
            raise

    def run(self, *words, **more):
        ran = subprocess.run(words, cwd=self.folder, env=self.environment, timeout=PATIENCE_S, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        if ran.returncode != 0:
            raise RuntimeError(f"{words}: {ran.returncode}: {ran.stderr.decode()}")
        return ran.stdout

    def run_when_ready(self, *words):
        """A monitor that has only just come up may refuse what it grants a moment later."""
        monitor, deadline = self.daemons[0], time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.run(*words)
            except RuntimeError:
                if ended_within(monitor, POLL_S) or time.monotonic() > deadline:
                    raise

    def start_osd(self):
        """An OSD that asks the monitor before the monitor's map has reached it names no cluster, is
        refused with 'wrong fsid', and ends: a race of Ceph 16, cured by starting it again."""
        deadline = time.monotonic() + PATIENCE_S
        osd = None
        while time.monotonic() < deadline:
            if osd is None or ended_within(osd, POLL_S):
                osd = self.daemon("ceph-osd", "-i", "0", "-f")
            if json.loads(self.run("ceph", "osd", "stat", "--format", "json"))["num_up_osds"] == 1:
                return
        with open(os.path.join(self.folder, "osd.0.log"), encoding="utf-8", errors="replace") as log:
            raise RuntimeError("the OSD did not come up:\n" + "".join(log.readlines()[-20:]))

    def start(self):
        fsid, osd, port = str(uuid.uuid4()), str(uuid.uuid4()), free_port()
        with open(os.path.join(self.folder, "ceph.conf"), "w") as file:
            file.write(CONFIGURATION.format(fsid=fsid, port=port, folder=self.folder))
        self.run("ceph-authtool", "--create-keyring", "keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self.run("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{port}]", "--fsid", fsid, "monmap")
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
        self.daemon("ceph-mon", "-i", "a", "-f")
        self.run_when_ready("ceph", "--connect-timeout", str(PATIENCE_S), "osd", "new", osd)
        os.mkdir(os.path.join(self.folder, "osd"))
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.start_osd()
        self.run("ceph", "osd", "pool", "create", "rbd", "4")

    def daemon(self, *words):
        started = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.daemons.append(started)
        return started

    def close(self):
        for daemon in reversed(self.daemons):
            daemon.kill()
            daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
