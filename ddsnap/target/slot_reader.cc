#include "ddsnap/target/slot_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"

namespace ddsnap {
namespace {

Status check_slot(const SlotGeometry& slots, const LocatedEntry& entry) {
  if (entry.slot.value < slots.slot_count) return {};
  return fail(ErrorCode::kDamaged, fmt::format("chunk {}: slot {} lies beyond the snapstore",
                                               entry.chunk.value, entry.slot.value));
}

// In the order of the slots, as a disk likes it; what was copied out together often lies together,
// and is one read where its memory is too.
void join_neighbours(std::vector<IoRequest>& batch) {
  std::ranges::sort(batch, {}, &IoRequest::offset_bytes);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < batch.size(); ++i) {
    IoRequest& last = batch[kept];
    if (batch[i].offset_bytes == last.offset_bytes + last.length_bytes &&
        batch[i].data == last.data + last.length_bytes) {
      last.length_bytes += batch[i].length_bytes;
    } else {
      batch[++kept] = batch[i];
    }
  }
  if (!batch.empty()) batch.resize(kept + 1);
}

// A hash covers the whole slot, so the whole slot is read: straight into the caller's memory where
// that is all of it, else aside.
class HashedReads {
 public:
  HashedReads(const SlotGeometry& slots, std::span<ChunkPart> parts)
      : chunk_bytes_(slots.geometry.chunk_bytes()) {
    const auto count = static_cast<std::size_t>(std::ranges::count_if(
        parts, [&](const ChunkPart& part) { return is_hashed(part) && !is_whole(part); }));
    if (count > 0) aside_ = AlignedBuffer(count * chunk_bytes_);
    std::size_t used = 0;
    for (ChunkPart& part : parts) {
      if (!is_hashed(part)) continue;
      const bool whole = is_whole(part);
      reads_.push_back(
          {&part, whole ? part.bytes : aside_.span().subspan(used++ * chunk_bytes_, chunk_bytes_)});
    }
  }

  void add_to(std::vector<IoRequest>& batch, const SlotGeometry& slots) const {
    for (const Read& read : reads_)
      batch.push_back(IoRequest::read(slots.offset_of(read.part->entry.slot), read.slot));
  }

  Status verify_and_copy() const {
    for (const Read& read : reads_) {
      if (hash_chunk(read.slot) != read.part->entry.hash)
        return fail(ErrorCode::kDamaged,
                    fmt::format("chunk {}: slot {} does not hold what was copied out",
                                read.part->entry.chunk.value, read.part->entry.slot.value));
      const auto wanted = read.slot.subspan(read.part->skip_bytes, read.part->bytes.size());
      if (wanted.data() != read.part->bytes.data())
        std::memcpy(read.part->bytes.data(), wanted.data(), wanted.size());
    }
    return {};
  }

 private:
  struct Read {
    ChunkPart* part;
    std::span<std::byte> slot;
  };
  static bool is_hashed(const ChunkPart& part) { return part.entry.place == Place::kSlot; }
  bool is_whole(const ChunkPart& part) const { return part.bytes.size() == chunk_bytes_; }

  const std::size_t chunk_bytes_;
  AlignedBuffer aside_;
  std::vector<Read> reads_;
};

}  // namespace

std::vector<ChunkPart> cut_into_parts(const ChunkGeometry& geometry, std::uint64_t offset_bytes,
                                      std::span<std::byte> buffer,
                                      std::span<const LocatedEntry> entries) {
  std::vector<ChunkPart> parts;
  parts.reserve(entries.size());
  for (const LocatedEntry& entry : entries) {
    const auto skip =
        static_cast<std::uint32_t>(offset_bytes & (geometry.chunk_bytes() - std::uint64_t{1}));
    const std::size_t length = std::min<std::size_t>(geometry.chunk_bytes() - skip, buffer.size());
    parts.push_back({entry, skip, buffer.first(length)});
    buffer = buffer.subspan(length);
    offset_bytes += length;
  }
  return parts;
}

Status read_slots(BlockDevice& snapstore, const SlotGeometry& slots, std::span<ChunkPart> parts) {
  std::vector<IoRequest> batch;
  for (const ChunkPart& part : parts) {
    if (part.entry.place == Place::kSlot || part.entry.place == Place::kPrivate)
      DD_TRY(check_slot(slots, part.entry));
    if (part.entry.place == Place::kZero) std::ranges::fill(part.bytes, std::byte{0});
    if (part.entry.place == Place::kPrivate)
      batch.push_back(
          IoRequest::read(slots.offset_of(part.entry.slot) + part.skip_bytes, part.bytes));
  }
  const HashedReads hashed(slots, parts);
  hashed.add_to(batch, slots);
  join_neighbours(batch);
  if (!batch.empty()) DD_TRY(snapstore.run(batch));
  return hashed.verify_and_copy();
}

Status write_private_slots(BlockDevice& snapstore, const SlotGeometry& slots,
                           std::span<const ChunkPart> parts) {
  std::vector<IoRequest> batch;
  for (const ChunkPart& part : parts) {
    DD_TRY(check_slot(slots, part.entry));
    batch.push_back(
        IoRequest::write(slots.offset_of(part.entry.slot) + part.skip_bytes, part.bytes));
  }
  return snapstore.run(batch);
}

}  // namespace ddsnap
