#include "ddsnap/delta/create_delta.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_writer.h"
#include "ddsnap/delta/frame_builder.h"

namespace ddsnap {

namespace {

// Whether the device proves to be the snapshot; refused when it proves to be another, or none (D5).
Result<bool> prove(const BlockDevice& device, const Uuid& uuid, const std::string& tag) {
  const std::string text = device.proven_snapshot_uuid();
  if (text.empty()) return false;
  const Uuid proven = DD_TRY(Uuid::parse(text));
  if (proven.is_nil())
    return fail(ErrorCode::kUsage, device.name() +
                                       " is a live origin and no instant: name one of "
                                       "its snapshots");
  if (uuid.is_nil()) return false;
  if (proven == uuid) return true;
  return fail(ErrorCode::kUsage,
              fmt::format("{} is snapshot {}, but the changelist names '{}' {}", device.name(),
                          proven.to_string(), tag, uuid.to_string()));
}

Status check_size(const BlockDevice& device, std::uint64_t wanted_bytes) {
  if (device.size_bytes() == wanted_bytes) return {};
  return fail(ErrorCode::kUsage, fmt::format("{} has {} bytes, but the changelist says {}",
                                             device.name(), device.size_bytes(), wanted_bytes));
}

std::uint64_t count_below(const Changelist& list, std::uint64_t end) {
  std::uint64_t count = 0;
  for (const ChunkRange& range : list.ranges)
    if (range.first.value < end) count += std::min(range.end(), end) - range.first.value;
  return count;
}

Result<DeltaHeader> make_header(const Changelist& list, const BlockDevice* from,
                                const BlockDevice& to, const CreateDeltaOptions& options,
                                RandomSource& random) {
  DeltaHeader header;
  header.delta_uuid = Uuid::make(random);
  header.from_uuid = list.from_uuid;
  header.to_uuid = list.to_uuid;
  header.from_tag = list.from_tag;
  header.to_tag = list.to_tag;
  header.from_bytes = list.from_bytes;
  header.to_bytes = list.to_bytes;
  header.created_ns = options.created_ns;
  header.chunk_shift = list.chunk_shift;
  header.chunk_count = count_below(list, list.to_geometry().chunk_count());
  header.frame_data_bytes =
      std::clamp(options.frame_data_bytes, list.to_geometry().chunk_bytes(), kMaxFrameDataBytes);
  header.mode = options.mode;
  if (from != nullptr) header.from_is_proven = DD_TRY(prove(*from, list.from_uuid, list.from_tag));
  header.to_is_proven = DD_TRY(prove(to, list.to_uuid, list.to_tag));
  return header;
}

Status check_devices(const Changelist& list, const BlockDevice* from, const BlockDevice& to,
                     DeltaMode mode) {
  if (list.to_is_now)
    return fail(ErrorCode::kUsage,
                "the changelist ends \"now\", which is no snapshot: create one and list up to it");
  DD_TRY(check_size(to, list.to_bytes));
  DD_TRY(check_holds_volume(to, list.to_geometry()));
  if (from == nullptr && mode != DeltaMode::kRaw && !list.is_full())
    return fail(ErrorCode::kUsage, "a difference needs the old device; without it only raw mode");
  if (from == nullptr) return {};
  DD_TRY(check_size(*from, list.from_bytes));
  return check_holds_volume(*from, list.from_geometry());
}

class Creator {
 public:
  Creator(const Changelist& list, const DeltaHeader& header, BlockDevice* from, BlockDevice& to,
          const CreateDeltaOptions& options, ByteSink& sink)
      : list_(list),
        header_(header),
        to_(to, list.to_geometry()),
        builder_(header, options.codec),
        writer_(sink, header) {
    if (from != nullptr && needs_old_content()) from_.emplace(*from, list.from_geometry());
  }

  Result<DeltaTotals> run() {
    DD_TRY(writer_.begin());
    ChangelistCursor cursor(list_);
    while (fill_batch(cursor)) {
      DD_TRY(read_batch());
      for (std::size_t i = 0; i < batch_.size(); ++i) DD_TRY(add_chunk(i));
    }
    DD_TRY(write_frame());
    return writer_.finish();
  }

 private:
  bool needs_old_content() const {
    if (list_.is_full()) return false;
    if (header_.mode != DeltaMode::kRaw || list_.before.empty()) return true;
    ChangelistCursor cursor(list_);
    while (const auto item = cursor.next())
      if (is_in_volume(item->chunk) && !header_.is_new(item->chunk) && !listed_before(*item))
        return true;
    return false;
  }

  // The listed hash where it is of the bytes that "before" means: a chunk that a shrink cuts hashes
  // to something else without its end (D6).
  std::optional<ChunkHash> listed_before(const ChangelistCursor::Item& item) const {
    if (header_.from_bytes > header_.to_bytes && header_.is_boundary(item.chunk))
      return std::nullopt;
    return item.before;
  }

  // Takes the next chunks of the list that the new volume has.
  bool fill_batch(ChangelistCursor& cursor) {
    batch_.clear();
    chunks_.clear();
    old_chunks_.clear();
    const std::size_t most = kReadPieceBytes >> header_.chunk_shift;
    while (batch_.size() < most) {
      const auto item = cursor.next();
      if (!item || !is_in_volume(item->chunk)) break;  // what a shrink cut off needs no content
      batch_.push_back(*item);
      chunks_.push_back(item->chunk);
      if (from_ && !header_.is_new(item->chunk)) old_chunks_.push_back(item->chunk);
    }
    return !batch_.empty();
  }

  bool is_in_volume(ChunkNr chunk) const {
    return chunk.value < header_.to_geometry().chunk_count();
  }

  Status read_batch() {
    new_bytes_.resize(chunks_.size() * chunk_bytes_);
    DD_TRY(to_.read(chunks_, new_bytes_));
    if (!from_) return {};
    old_bytes_.resize(old_chunks_.size() * chunk_bytes_);
    DD_TRY(from_->read(old_chunks_, old_bytes_));
    DD_TRY(check_old_hashes());
    cut_old_boundary();
    return {};
  }

  // The old device must hold what the list says that the old snapshot held. The chunks read from it
  // are the first of the batch: new ones only follow.
  Status check_old_hashes() {
    std::optional<ChunkRange> wrong;
    for (std::size_t i = 0; i < old_chunks_.size(); ++i) {
      const bool is_right = !batch_[i].before || hash_chunk(old_chunk(i)) == *batch_[i].before;
      if (is_right && wrong) break;
      if (is_right) continue;
      if (!wrong) wrong = ChunkRange{old_chunks_[i], 0};
      wrong->count = old_chunks_[i].value - wrong->first.value + 1;
    }
    if (!wrong) return {};
    return fail(
        ErrorCode::kFailed,
        fmt::format("{} is not snapshot '{}' of the changelist: chunks {} to {} differ",
                    from_->device().name(), list_.from_tag, wrong->first.value, wrong->end() - 1));
  }

  void cut_old_boundary() {
    if (old_chunks_.empty() || !header_.is_boundary(old_chunks_.back())) return;
    const std::uint64_t keep_bytes =
        header_.common_bytes() - header_.to_geometry().offset_of(old_chunks_.back());
    const auto last = std::span(old_bytes_).last(chunk_bytes_);
    std::memset(last.data() + keep_bytes, 0, chunk_bytes_ - keep_bytes);
  }

  Status add_chunk(std::size_t i) {
    const auto content =
        std::span<const std::byte>(new_bytes_).subspan(i * chunk_bytes_, chunk_bytes_);
    std::span<const std::byte> old_content;
    if (from_ && i < old_chunks_.size()) old_content = old_chunk(i);

    FrameEntry entry{.first = batch_[i].chunk};
    set_before(entry, batch_[i], old_content);
    entry.after = hash_chunk(content);
    entry.content = kind_of(entry.first, content, old_content);
    if (builder_.is_full()) DD_TRY(write_frame());
    builder_.add(entry, content, old_content);
    return {};
  }

  void set_before(FrameEntry& entry, const ChangelistCursor::Item& item,
                  std::span<const std::byte> old_content) const {
    const auto listed = listed_before(item);
    if (header_.is_new(entry.first)) {
      entry.before_kind = BeforeKind::kNew;
    } else if (!old_content.empty() || listed) {
      entry.before_kind = BeforeKind::kKnown;
      entry.before = old_content.empty() ? *listed : hash_chunk(old_content);
    }
  }

  // "Same" only by comparing bytes: equal hashes alone would let a collision through.
  ContentKind kind_of(ChunkNr chunk, std::span<const std::byte> content,
                      std::span<const std::byte> old_content) const {
    if (!old_content.empty() && !header_.is_boundary(chunk) &&
        std::memcmp(content.data(), old_content.data(), content.size()) == 0)
      return ContentKind::kSame;
    return is_all_zero(content) ? ContentKind::kZero : ContentKind::kData;
  }

  Status write_frame() {
    auto frame = DD_TRY(builder_.take());
    if (!frame) return {};
    return writer_.write(*frame);
  }

  std::span<const std::byte> old_chunk(std::size_t i) const {
    return std::span(old_bytes_).subspan(i * chunk_bytes_, chunk_bytes_);
  }

  const Changelist& list_;
  const DeltaHeader& header_;
  const std::size_t chunk_bytes_ = header_.to_geometry().chunk_bytes();
  std::optional<ChunkIo> from_;  // none: not there or not needed
  ChunkIo to_;
  FrameBuilder builder_;
  DeltaWriter writer_;

  std::vector<ChangelistCursor::Item> batch_;
  std::vector<ChunkNr> chunks_;
  std::vector<ChunkNr> old_chunks_;  // those of the batch that have old content
  std::vector<std::byte> new_bytes_;
  std::vector<std::byte> old_bytes_;
};

}  // namespace

Result<CreateDeltaReport> create_delta(const Changelist& list, BlockDevice* from, BlockDevice& to,
                                       const CreateDeltaOptions& options, RandomSource& random,
                                       ByteSink& sink) {
  if (list.is_full()) from = nullptr;
  DD_TRY(check_devices(list, from, to, options.mode));
  const DeltaHeader header = DD_TRY(make_header(list, from, to, options, random));
  const DeltaTotals totals = DD_TRY(Creator(list, header, from, to, options, sink).run());
  return CreateDeltaReport{header, totals};
}

}  // namespace ddsnap
