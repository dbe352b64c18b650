// What the agent's and the targets' messages have in common: device pairs and lists of ranges,
// between the C structs of the shared header and ours.
#pragma once

#include <ddsnap_protocol.h>

#include <span>
#include <vector>

#include "ddsnap/wire/body_reader.h"
#include "ddsnap/wire/body_writer.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

ddsnap_pair to_wire(const DevicePair& pair);
// Rejects kinds that are unknown and fields that the kind does not have. kNone passes.
DevicePair from_wire(BodyReader& reader, const ddsnap_pair& pair);

void write_ranges(BodyWriter& writer, std::span<const ChunkRange> ranges);
// `count` ranges, none empty, none ending beyond 2^32, at most kMaxRangesPerMessage.
std::vector<ChunkRange> read_ranges(BodyReader& reader, std::uint32_t count);

std::uint64_t total_chunks(std::span<const ChunkRange> ranges);

}  // namespace ddsnap
