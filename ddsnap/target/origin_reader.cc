#include "ddsnap/target/origin_reader.h"

#include <algorithm>

namespace ddsnap {
namespace {

bool is_unknown(const ChunkPart& part) {
  return part.entry.place == Place::kNowhere;
}

}  // namespace

void OriginReader::read_unknown(BlockDevice& origin, const ChunkGeometry& geometry,
                                std::span<const ChunkPart> parts) {
  for (auto first = parts.begin(); first != parts.end();) {
    first = std::find_if(first, parts.end(), is_unknown);
    const auto end = std::find_if_not(first, parts.end(), is_unknown);
    if (first != end) read_run(origin, geometry, {first, end});
    first = end;
  }
}

void OriginReader::read_run(BlockDevice& origin, const ChunkGeometry& geometry,
                            std::span<const ChunkPart> run) {
  // The parts of neighbouring chunks are neighbours in memory too.
  const std::byte* end = run.back().bytes.data() + run.back().bytes.size();
  std::byte* first = run.front().bytes.data();
  const std::span<std::byte> all(first, static_cast<std::size_t>(end - first));
  const auto offset_of = [&](const ChunkPart& part) {
    return geometry.offset_of(part.entry.chunk) + part.skip_bytes;
  };
  if (origin.read_at(offset_of(run.front()), all)) return;
  // One bad sector must not condemn its neighbours.
  for (const ChunkPart& part : run) {
    const Status status = origin.read_at(offset_of(part), part.bytes);
    if (!status) failures_.insert_or_assign(part.entry.chunk.value, status.error());
  }
}

Status OriginReader::verdict(ChunkNr chunk) const {
  const auto found = failures_.find(chunk.value);
  if (found == failures_.end()) return {};
  return std::unexpected(found->second);
}

}  // namespace ddsnap
