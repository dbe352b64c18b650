"""One fio job, and what it measured."""

import json
import subprocess


def fio(*options):
    """Runs it; fio's own figures of the job. Errors: CalledProcessError."""
    out = subprocess.run(["fio", "--name=bench", "--randrepeat=0", "--norandommap", "--output-format=json", *options], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    return json.loads(out[out.index("{"):])["jobs"][0]  # a warning may stand before it


def over_nbd(socket, *options, export=""):
    return fio("--ioengine=nbd", f"--uri=nbd+unix:///{export}?socket={socket}", *options)


def p99_us(job, way="write"):
    return job[way]["clat_ns"]["percentile"]["99.000000"] / 1000
