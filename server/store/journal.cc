#include "server/store/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

Journal::Journal(BlockDevice& metadata, const Layout& layout, const Uuid& store)
    : device_(metadata),
      layout_(layout),
      store_(store),
      size_bytes_(layout.journal_bytes),
      unit_bytes_(layout.journal_unit_bytes),
      record_(round_up(kMaxRecordBytes + kRecordHeaderBytes, 4096)) {}

std::uint64_t Journal::padded(std::size_t operation_bytes) const {
  return round_up(kRecordHeaderBytes + operation_bytes, unit_bytes_);
}

std::uint64_t Journal::place_for(std::uint64_t length_bytes) const {
  const std::uint64_t next = position_.next_offset_bytes;
  return next + length_bytes > size_bytes_ ? 0 : next;
}

std::uint64_t Journal::used_bytes() const {
  const std::uint64_t next = position_.next_offset_bytes;
  return next >= tail_offset_ ? next - tail_offset_ : size_bytes_ - tail_offset_ + next;
}

bool Journal::has_room(std::size_t operation_bytes, unsigned spare_records) const {
  // One unit stays free so that a full ring and an empty one differ; a record may waste the end of
  // the ring by wrapping.
  const std::uint64_t length = padded(operation_bytes);
  const std::uint64_t wasted = place_for(length) == 0 && position_.next_offset_bytes != 0
                                   ? size_bytes_ - position_.next_offset_bytes
                                   : 0;
  const std::uint64_t spare = (std::uint64_t{spare_records} + 2) * unit_bytes_;
  return used_bytes() + wasted + length + spare <= size_bytes_;
}

std::uint64_t Journal::encode(std::span<const std::byte> operations, bool is_seal) {
  DD_CHECK(operations.size() <= kMaxRecordBytes);
  const std::uint64_t length = padded(operations.size());
  const std::uint64_t checksum =
      encode_record(store_, position_, is_seal, operations, length, record_.span());
  planned_ = {.next_offset_bytes = place_for(length) + length,
              .last_number = position_.last_number + 1,
              .last_checksum = checksum};
  return length;
}

IoRequest Journal::plan(std::span<const std::byte> operations) {
  DD_CHECK(has_room(operations.size(), 0));
  const std::uint64_t length = encode(operations, false);
  return IoRequest::write(kJournalOffset + planned_.next_offset_bytes - length,
                          record_.span().first(length));
}

void Journal::committed() {
  position_ = planned_;
  is_sealed_ = false;
}

Status Journal::seal() {
  if (is_sealed_) return {};
  const std::uint64_t length = encode({}, true);
  const std::uint64_t offset = planned_.next_offset_bytes - length;
  DD_TRY(device_.write_at(kJournalOffset + offset, record_.span().first(length)));
  is_sealed_ = true;
  return {};
}

void Journal::start_new_chain(RandomSource& random) {
  // Far beyond any number that a torn record could bear, and chained to a value that none of them
  // knows.
  position_.last_number += std::uint64_t{1} << 20;
  position_.last_checksum = random.next_u64();
  is_sealed_ = true;
}

Result<Journal::Replayed> Journal::replay(
    const JournalPosition& start, const std::function<Status(std::span<const std::byte>)>& apply) {
  if (start.next_offset_bytes > size_bytes_ || start.next_offset_bytes % unit_bytes_ != 0)
    return fail(ErrorCode::kDamaged, "the superblock names an impossible place in the journal");
  const JournalRing ring = DD_TRY(JournalRing::read(device_, layout_, store_));
  position_ = start;
  tail_offset_ = start.next_offset_bytes;
  Replayed result;
  while (const auto next = ring.next(position_)) {
    if (next->is_seal) {
      result.is_last_proven = true;
      position_.last_number +=
          1;  // only the record that takes the seal's place could bear its number
      break;
    }
    DD_TRY(apply(next->operations));
    ++result.records;
    result.is_last_proven = false;
    position_ = next->end();
  }
  if (!ring.later_than(position_.last_number).empty())
    return fail(ErrorCode::kDamaged,
                fmt::format("journal record {} is damaged: a later one is there (S3)",
                            position_.last_number + 1));
  return result;
}

}  // namespace ddsnap
