"""Why a goal is missed: what BENCHMARKS.md says beside each figure."""

import re

# (benchmark, what: a regular expression, the reason); the first that fits.
REASONS = (
    ("delta_create", "to nowhere", "each byte is hashed three times (chunk, frame, stream) where dd only copies it: the row below is that floor"),
    ("delta_create", "create-delta -r", "chunks, frames and the whole stream are hashed beside the compression"),
    ("delta_create", "size", "without --long a frame sees its own old content alone; what moved is not there"),
    ("delta_apply", "apply-delta", "all is decoded and what is there read and hashed before the first write (D1, D2), each window is recorded before it is written (D3)"),
    ("compare", "create-cl --compare", "changed chunks are hashed as well, and the list is durable"),
    ("compare", "", "each byte is looked at after it was copied, which cat does not; the short form lasts a tenth of a second, of which the start and the "
     "wait of the threads for the last piece are a part (README.md has the long one)"),
    ("nbd_writes", "first writes", "a chunk read, a chunk written and its record under one flush: how far the disk and processors of the run allow is the row "
     "beside the bound of the raw rates"),
    ("delete", "99 %", "freeing slots goes in pieces between batches, and a checkpoint of the tables that are left takes its turn"),
    ("(store|many_snapshots)", "create", "a create is one record under one flush: what it takes beyond 0.1 ms is the wait for processor and disk, which others had"),
    ("kernel_targets_.*", "fresh.*(thin|linear)", "dm-thin and dm-linear flush nothing before a write goes on, and copy nothing out of its way: a first write of ours waits for a question "
     "to the server, a copy and a flush (MODEL.md)"),
    ("kernel_targets_.*", "fresh", "a question to the server and its flush stand before a first write; under emulation each switch of a process costs ten times what it does"),
    ("kernel_targets_.*", "", "beside dm-linear there is a look at a bitmap and a count of writes in flight, no message (VM test many_snapshots): see the spread of both"),
    ("kernel_snapshots_.*", "read", "each request is followed by a question to the server, for a chunk may have been copied out meanwhile (T5); where dm-linear asks nobody"),
)


def reason_for(name, what):
    return next((why for bench, pattern, why in REASONS if re.fullmatch(bench, name) and re.search(pattern, what)),
                "not known; see the load, and measure again")
