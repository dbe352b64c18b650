#include "ddsnap/cli/check_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/size_text.h"
#include "server/store/bitmap_ranges.h"

namespace ddsnap {

using nlohmann::ordered_json;

void CheckReport::add(const Damage& damage) {
  Roaring chunks;
  chunks.addRange(damage.first_chunk, damage.end_chunk);
  switch (damage.kind) {
    case DamageKind::kHurt:
      hurt_[{damage.oldest, damage.newest}] |= chunks;
      return;
    case DamageKind::kHurtPrivate:
      hurt_privately_[damage.newest] |= chunks;
      return;
    case DamageKind::kShielded:
      shielded_[damage.newest] |= chunks;
      return;
    default:
      findings_.push_back(damage.text);
  }
}

void CheckReport::add(const CheckPiece& piece) {
  for (const Damage& damage : piece.damages) add(damage);
  blocks_checked_ += piece.blocks_checked;
  slots_checked_ += piece.slots_checked;
  bytes_read_ += piece.bytes_read;
}

std::vector<ByteRange> CheckReport::hurt_ranges(const CheckedSnapshot& snapshot) const {
  Roaring hurt;
  for (const auto& [epochs, chunks] : hurt_)
    if (epochs.first <= snapshot.epoch && snapshot.epoch <= epochs.second) hurt |= chunks;
  if (const auto own = shielded_.find(snapshot.epoch); own != shielded_.end()) hurt -= own->second;
  if (const auto own = hurt_privately_.find(snapshot.epoch); own != hurt_privately_.end())
    hurt |= own->second;
  std::vector<ByteRange> ranges;
  for_each_range(hurt, [&](std::uint64_t first, std::uint64_t end) {
    const std::uint64_t offset = first << chunk_shift_;
    if (offset >= snapshot.size_bytes) return;
    ranges.push_back({offset, std::min(end << chunk_shift_, snapshot.size_bytes) - offset});
  });
  return ranges;
}

std::vector<CheckedSnapshot> CheckReport::hurt_snapshots() const {
  std::vector<CheckedSnapshot> hurt;
  for (const CheckedSnapshot& snapshot : snapshots_)
    if (!hurt_ranges(snapshot).empty()) hurt.push_back(snapshot);
  return hurt;
}

bool CheckReport::is_clean() const {
  return findings_.empty() && hurt_snapshots().empty();
}

ordered_json CheckReport::to_json() const {
  ordered_json snapshots = ordered_json::array();
  for (const CheckedSnapshot& snapshot : snapshots_) {
    ordered_json ranges = ordered_json::array();
    for (const ByteRange range : hurt_ranges(snapshot))
      ranges.push_back({range.offset_bytes, range.length_bytes});
    snapshots.push_back({{"tag", snapshot.tag},
                         {"uuid", snapshot.uuid.to_string()},
                         {"epoch", snapshot.epoch.value},
                         {"is_whole", ranges.empty()},
                         {"hurt_ranges", std::move(ranges)}});
  }
  return {{"store_uuid", store_.to_string()},
          {"is_clean", is_clean()},
          {"findings", findings_},
          {"snapshots", std::move(snapshots)},
          {"metadata_blocks_checked", blocks_checked_},
          {"slots_checked", slots_checked_},
          {"bytes_read", bytes_read_}};
}

std::string CheckReport::to_text() const {
  std::string text;
  for (const std::string& finding : findings_) text += finding + "\n";
  const auto hurt = hurt_snapshots();
  for (const CheckedSnapshot& snapshot : hurt) {
    const auto ranges = hurt_ranges(snapshot);
    std::uint64_t bytes = 0;
    for (const ByteRange range : ranges) bytes += range.length_bytes;
    text += fmt::format("snapshot {}: {} of {} cannot be read:\n", snapshot.tag, human_bytes(bytes),
                        human_bytes(snapshot.size_bytes));
    for (std::size_t i = 0; i < ranges.size() && i < kMaxReportedRanges; ++i)
      text += fmt::format("  {} bytes from {}\n", with_commas(ranges[i].length_bytes),
                          with_commas(ranges[i].offset_bytes));
    if (ranges.size() > kMaxReportedRanges)
      text += fmt::format("  and {} ranges more\n", ranges.size() - kMaxReportedRanges);
  }
  text += fmt::format("{} of {} snapshots whole; {} saved chunks checked, {} read\n",
                      snapshots_.size() - hurt.size(), snapshots_.size(),
                      with_commas(slots_checked_), human_bytes(bytes_read_));
  return text;
}

}  // namespace ddsnap
