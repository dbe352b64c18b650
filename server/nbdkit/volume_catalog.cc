#include "server/nbdkit/volume_catalog.h"

#include "ddsnap/base/limits.h"

namespace ddsnap {
namespace {

void append(std::vector<ChunkRange>& ranges, ChunkNr chunk) {
  if (!ranges.empty() && ranges.back().end() == chunk.value && ranges.back().count < 0xffffffff)
    ++ranges.back().count;
  else
    ranges.push_back({chunk, 1});
}

}  // namespace

Result<VolumeCatalog> VolumeCatalog::connect(const ServerPlace& place) {
  ServerFinder finder(place);
  return VolumeCatalog(DD_TRY(finder.connect()));
}

Result<std::vector<SnapshotEntry>> VolumeCatalog::snapshots() {
  std::vector<SnapshotEntry> all;
  for (;;) {
    const Epoch after = all.empty() ? Epoch{} : all.back().epoch;
    auto part = DD_TRY(
        connection_->call<SnapshotListMessage>(ListSnapshotsMessage{after}, kAnswerTimeout_ms));
    for (SnapshotEntry& entry : part.entries) {
      if (entry.epoch <= after)
        return fail(ErrorCode::kDamaged, "the server's list of snapshots does not ascend");
      all.push_back(std::move(entry));
    }
    if (!part.has_more) return all;
  }
}

Result<VolumeCatalog::Changelist> VolumeCatalog::changelist(const std::string& from_tag,
                                                            const std::string& to_tag) {
  Changelist result;
  std::uint64_t next = 0;
  for (bool is_first = true;; is_first = false) {
    const auto part = DD_TRY(connection_->call<ChangelistPartMessage>(
        GetChangelistMessage{from_tag, to_tag, next}, kAnswerTimeout_ms));
    if (is_first) {
      result.from_uuid = part.from_uuid;
      result.to_uuid = part.to_uuid;
    }
    if (part.from_uuid != result.from_uuid || part.to_uuid != result.to_uuid)
      return fail(ErrorCode::kBusy, "a snapshot was replaced while its changes were listed");
    for (const auto& entry : part.entries) {
      if (entry.chunk.value < next)
        return fail(ErrorCode::kDamaged, "the server's changelist does not ascend");
      append(result.changed, entry.chunk);
    }
    if (!part.next_chunk) return result;
    if (*part.next_chunk <= next)
      return fail(ErrorCode::kDamaged, "the server's changelist does not go on");
    next = *part.next_chunk;
  }
}

}  // namespace ddsnap
