// The manifest: the whole state as of one checkpoint, without the tables' entries, which it only
// names.
//
// Shape     One blob; layout in SNAPSTORE.md, section 6. Requires on encoding: no table has recent
// entries of its own (they were spilled). Errors    decode: kDamaged. Runs come back without their
// index and tables without keys: recovery reads the runs for both. Threads   Plain functions.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "server/store/state.h"

namespace ddsnap {

// What a checkpoint is about to make true: groups that go in front of their tables' own, and change
// maps at new places.
struct Planned {
  std::map<const Table*, RunGroup> spilled;
  std::map<std::uint64_t, BlobRef> maps;  // by epoch
};

std::vector<std::byte> encode_manifest(const State& state, const Planned& planned);
Result<State> decode_manifest(std::span<const std::byte> bytes);
// How long the encoding will be, at most, with one run more for every table that has recent
// entries.
std::uint64_t manifest_bytes_at_most(const State& state);

// A boundary's change map, kept private keys, and what its tables have lost as the bytes of their
// blob, and back. Requires on decoding: where something lost is stored, the boundary has a table.
std::vector<std::byte> encode_change_map(const Boundary& boundary);
Status decode_change_map(std::span<const std::byte> bytes, Boundary& boundary);

}  // namespace ddsnap
