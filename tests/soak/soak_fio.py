"""fio over one region of a volume under soak, round after round: it writes, and reads all of it back
in a run of its own and checks each block's sum, place and round; daemons may be killed in between.

Threads: one of its own. Errors: kept in failure.
"""

import functools
import subprocess
import threading

import stand

JOBS = 2
IOPS = 400  # of a job, at full pace


class Fio:
    def __init__(self, volume, seed, pace):
        self._volume = volume
        self._seed = seed
        self._iops = max(8, int(IOPS * pace))
        self._stopping = threading.Event()
        self.failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join(20 * stand.PATIENCE_S)
        if self._thread.is_alive() and self.failure is None:
            self.failure = TimeoutError("fio does not end")

    def _run(self):
        number = 0
        try:
            while not self._stopping.is_set():
                number += 1
                for is_check in (False, True):
                    self._volume.insist(functools.partial(self._run_fio, number, is_check),
                                        give_up_s=3600)
                self._volume.tally.add("fio rounds")
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def _run_fio(self, number, is_check):
        """fio does not always notice that its nbdkit is gone, so that is looked for; it ends with us."""
        volume = self._volume.stand
        nbdkit = volume.processes.get("nbdkit")
        with open(volume.path("fio.log"), "wb") as log, subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "fio", self._job_file(number, is_check)],
                cwd=volume.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as fio:
            while fio.poll() is None and volume.processes.get("nbdkit") is nbdkit:
                stand.wait_briefly(0.1)
            if fio.poll() is None:
                fio.kill()
        if fio.returncode != 0:
            raise AssertionError(f"fio: status {fio.returncode}: {volume.log('fio')}")

    def _job_file(self, number, is_check):
        lines = ["[global]", "ioengine=nbd", f"uri={self._volume.stand.uri()}", "rw=randwrite",
                 "iodepth=8", f"randseed={self._seed + number}", "verify=crc32c", "verify_fatal=1",
                 f"rate_iops={self._iops}", "do_verify=0", "thread=1"]
        if is_check:
            lines.append("verify_only=1")
        job_bytes = self._volume.fio_bytes // JOBS
        for job, block in enumerate(("4k", "32k")):
            lines += [f"[job{job}]", f"bs={block}", f"size={job_bytes}",
                      f"offset={self._volume.fio_at_bytes + job * job_bytes}"]
        path = self._volume.stand.path("soak.fio")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        return path
