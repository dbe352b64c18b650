#!/usr/bin/env python3
"""Tells how old the newest snapshot of each volume is, and how much room its snapshots take: an example of ddsnap's --json.

  snapshots.py SERVER...      exit status 1 where there is none, or the newest is older than a day
"""

import json
import subprocess
import sys
import time

DAY_S = 24 * 3600


def ask(*words):
    """What ddsnap prints as JSON. Its error, one line on stderr, is ours too."""
    return json.loads(subprocess.run(["ddsnap", *words], check=True, stdout=subprocess.PIPE).stdout)


def look_at(server):
    """Whether there is a young snapshot."""
    status = ask("status", "--json", server)
    live = [one for one in ask("list", "--json", server) if one["state"] == "live"]
    saved = sum(one["exception_chunks"] for one in live) * status["chunk_bytes"]
    if not live:
        print(f"{server}: no snapshot")
        return False
    newest = max(live, key=lambda one: one["created_ns"])
    age_s = time.time() - newest["created_ns"] / 1e9
    print(f"{server}: {len(live)} snapshots, newest {newest['tag']}, {age_s / 3600:.1f} h old; {saved >> 20} MiB saved for them")
    return age_s < DAY_S


if __name__ == "__main__":
    try:
        sys.exit(0 if all([look_at(server) for server in sys.argv[1:]]) else 1)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
