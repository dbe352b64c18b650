"""Why a goal is missed: what BENCHMARKS.md says beside each figure."""

import re

# (benchmark, what: a regular expression, the reason); the first that fits.
REASONS = (
    ("delta_create", "to nowhere", "each byte is hashed three times (chunk, frame, stream) where dd only copies it: the row below is that floor"),
    ("delta_create", "create-delta -r", "chunks, frames and the whole stream are hashed beside the compression"),
    ("delta_create", "size", "without --long a frame sees its own old content alone; what moved is not there"),
    ("delta_apply", "apply-delta", "present content is read and hashed, what is written is journalled, and each window ends in a flush; with others on the processors "
     "its threads wait for each other, zstd and dd for nobody (README.md has it measured without others)"),
    ("compare", "create-cl --compare", "changed chunks are hashed as well, and the list is durable"),
    ("compare", "", "each byte is looked at after it was copied, which cat does not: see the row by processor time; met where no others held the processors "
     "(README.md), for the threads wait for each other's pieces"),
    ("nbd_writes", "first writes", "a chunk read, a chunk written and its record under one flush: how far the disk and processors of the run allow is the row "
     "beside the bound of the raw rates"),
    ("delete", "99 %", "freeing slots goes in pieces between batches, and a checkpoint of the tables that are left takes its turn"),
    ("(store|many_snapshots)", "create", "a create is one record under one flush: what it takes beyond 0.1 ms is the wait for processor and disk, which others had"),
    ("kernel_targets", "first writes", "one question to the server and its flush stand before a first write; under emulation each switch of a process costs ten times "
     "what it does"),
)


def reason_for(name, what):
    return next((why for bench, pattern, why in REASONS if re.fullmatch(bench, name) and re.search(pattern, what)),
                "not known; see the load, and measure again")
