#include "ddsnap/target/origin_reader.h"

#include <algorithm>
#include <vector>

namespace ddsnap {
namespace {

bool is_unknown(const ChunkPart& part) {
  return part.entry.place == Place::kNowhere;
}

}  // namespace

void OriginReader::read_unknown(BlockDevice& origin, const ChunkGeometry& geometry,
                                std::span<const ChunkPart> parts) {
  const auto offset_of = [&](const ChunkPart& part) {
    return geometry.offset_of(part.entry.chunk) + part.skip_bytes;
  };
  const auto is_next = [&](const ChunkPart& last, const ChunkPart& part) {
    return is_unknown(part) && offset_of(part) == offset_of(last) + last.bytes.size() &&
           part.bytes.data() == last.bytes.data() + last.bytes.size();
  };
  std::vector<IoRequest> batch;
  std::vector<std::span<const ChunkPart>> runs;
  for (auto first = parts.begin(); first != parts.end();) {
    first = std::find_if(first, parts.end(), is_unknown);
    if (first == parts.end()) break;
    auto end = first + 1;
    while (end != parts.end() && is_next(end[-1], *end)) ++end;
    const std::byte* const end_byte = end[-1].bytes.data() + end[-1].bytes.size();
    batch.push_back(IoRequest::read(
        offset_of(*first),
        {first->bytes.data(), static_cast<std::size_t>(end_byte - first->bytes.data())}));
    runs.push_back({first, end});
    first = end;
  }
  if (batch.empty() || origin.run(batch)) return;
  // One bad sector must not condemn its neighbours.
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].status) continue;
    for (const ChunkPart& part : runs[i]) {
      const Status status = origin.read_at(offset_of(part), part.bytes);
      if (!status) failures_.insert_or_assign(part.entry.chunk.value, status.error());
    }
  }
}

Status OriginReader::verdict(ChunkNr chunk) const {
  const auto found = failures_.find(chunk.value);
  if (found == failures_.end()) return {};
  return std::unexpected(found->second);
}

}  // namespace ddsnap
