#include "server/store/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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

std::array<IoRequest, kJournalRings> Journal::encode(std::span<const std::byte> operations,
                                                     bool is_seal) {
  DD_CHECK(operations.size() <= kMaxRecordBytes);
  const std::uint64_t length = padded(operations.size());
  const std::uint64_t checksum =
      encode_record(store_, position_, is_seal, operations, length, record_.span());
  planned_ = {.next_offset_bytes = place_for(length) + length,
              .last_number = position_.last_number + 1,
              .last_checksum = checksum};
  const std::uint64_t offset = planned_.next_offset_bytes - length;
  const auto bytes = record_.span().first(length);
  return {IoRequest::write(layout_.journal_offset_bytes(0) + offset, bytes),
          IoRequest::write(layout_.journal_offset_bytes(1) + offset, bytes)};
}

std::array<IoRequest, kJournalRings> Journal::plan(std::span<const std::byte> operations) {
  DD_CHECK(has_room(operations.size(), 0));
  return encode(operations, false);
}

void Journal::committed() {
  position_ = planned_;
  is_sealed_ = false;
}

Status Journal::seal() {
  if (is_sealed_) return {};
  auto requests = encode({}, true);
  DD_TRY(device_.run(requests));
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
    const JournalPosition& start, const std::function<Status(std::span<const std::byte>)>& apply,
    const std::function<Status(const Error&)>& lost) {
  if (start.next_offset_bytes > size_bytes_ || start.next_offset_bytes % unit_bytes_ != 0)
    return fail(ErrorCode::kDamaged, "the superblock names an impossible place in the journal");
  const JournalRings rings = DD_TRY(JournalRings::read(device_, layout_, store_));
  position_ = start;
  tail_offset_ = start.next_offset_bytes;
  Replayed result;
  bool is_last_halved = false;  // as a power cut may leave it; not what others came behind
  const auto note_proven = [&] {
    if (std::exchange(is_last_halved, false) && result.halved_records++ == 0)
      result.first_halved = position_.last_number;
  };
  for (;;) {
    auto next = rings.next(position_);
    if (!next) {
      const auto later = rings.later_than(position_.last_number);
      if (later.empty()) return result;
      const auto damage =
          fail(ErrorCode::kDamaged,
               fmt::format("journal record {} is damaged: a later one is there (S3)",
                           position_.last_number + 1));
      if (!lost) return damage;
      DD_TRY(lost(damage.error()));
      next = later.front();
    }
    note_proven();
    if (next->is_seal) {
      // The next record takes its place; no other could bear its number.
      result.is_last_proven = true;
      position_ = {next->offset_bytes, next->number, next->previous_checksum};
      continue;
    }
    DD_TRY(apply(next->operations));
    ++result.records;
    result.is_last_proven = false;
    is_last_halved = !rings.is_in_both(*next);
    position_ = next->end();
  }
}

Result<std::optional<JournalPosition>> Journal::check(JournalPosition from,
                                                      std::size_t budget_bytes,
                                                      std::uint64_t& bytes_read) const {
  constexpr std::size_t kWindowBytes = 256u << 10;
  static_assert(kWindowBytes >= 2 * kMaxRecordBytes);
  for (std::size_t read_bytes = 0; read_bytes < budget_bytes;) {
    if (from.last_number >= position_.last_number) return std::nullopt;
    JournalPosition least = from;
    // Behind the last record, or, where it did not fit there, at the start.
    for (const std::uint64_t offset : {from.next_offset_bytes, std::uint64_t{0}}) {
      if (offset >= size_bytes_ || least.last_number > from.last_number) continue;
      AlignedBuffer window(std::min<std::uint64_t>(kWindowBytes, size_bytes_ - offset));
      for (std::size_t ring = 0; ring < kJournalRings; ++ring) {
        DD_TRY(device_.read_at(layout_.journal_offset_bytes(ring) + offset, window.span()));
        read_bytes += window.size();
        bytes_read += window.size();
        const JournalPosition reached = follow_chain(window.span(), offset, from);
        if (ring == 0 || reached.last_number < least.last_number) least = reached;
      }
    }
    if (least.last_number == from.last_number)
      return fail(ErrorCode::kDamaged,
                  fmt::format("journal record {} is damaged", from.last_number + 1));
    from = least;
  }
  return from;
}

// As far as the chain goes on in these bytes of the ring.
JournalPosition Journal::follow_chain(std::span<const std::byte> window, std::uint64_t offset_bytes,
                                      JournalPosition from) const {
  for (std::size_t at = 0; from.last_number < position_.last_number;) {
    const auto record = decode_record(window.subspan(at), offset_bytes + at, unit_bytes_, store_);
    const bool is_next = record && !record->is_seal && record->number == from.last_number + 1 &&
                         record->previous_checksum == from.last_checksum;
    if (!is_next) break;
    from = record->end();
    at += record->length_bytes;
    if (at >= window.size()) break;
  }
  return from;
}

}  // namespace ddsnap
