#include "server/store/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/limits.h"
#include "server/store/metadata_block.h"

namespace ddsnap {

namespace {

constexpr std::uint32_t kMagic = 0x524a4444;  // "DDJR"
constexpr std::uint64_t kChecksumKind = 0x4a52;
constexpr std::uint32_t kSealFlag = 1;

struct RecordHeaderDisk {
  le32 magic;
  le32 length_bytes;  // header and operations, without padding
  std::array<std::byte, 16> store;
  le64 number;
  le64 previous_checksum;
  le32 flags;
  le32 reserved;
  le64 reserved2;
  le64 checksum;  // XXH3-64 of header (this field zero) and operations
};
static_assert(sizeof(RecordHeaderDisk) == 64);

std::uint64_t record_checksum(RecordHeaderDisk header, std::span<const std::byte> operations) {
  header.checksum = 0;
  const std::uint64_t head = checksum_of(std::as_bytes(std::span(&header, 1)), kChecksumKind);
  return checksum_of(operations, head);
}

}  // namespace

struct Journal::Found {
  bool is_valid = false;
  RecordHeaderDisk header{};
  std::span<const std::byte> operations;
};

struct Journal::Next {
  std::uint64_t offset_bytes = 0;
  Found found;
};

Journal::Journal(BlockDevice& metadata, const Layout& layout, const Uuid& store)
    : device_(metadata),
      store_(store),
      size_bytes_(layout.journal_bytes),
      unit_bytes_(layout.journal_unit_bytes),
      record_(round_up(kMaxRecordBytes + sizeof(RecordHeaderDisk), 4096)) {}

std::uint64_t Journal::padded(std::size_t operation_bytes) const {
  return round_up(sizeof(RecordHeaderDisk) + operation_bytes, unit_bytes_);
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

std::uint64_t Journal::encode(std::span<const std::byte> operations, std::uint32_t flags) {
  DD_CHECK(operations.size() <= kMaxRecordBytes);
  const std::uint64_t length = padded(operations.size());
  RecordHeaderDisk header{};
  header.magic = kMagic;
  header.length_bytes = static_cast<std::uint32_t>(sizeof header + operations.size());
  header.store = store_.bytes;
  header.number = position_.last_number + 1;
  header.previous_checksum = position_.last_checksum;
  header.flags = flags;
  header.checksum = record_checksum(header, operations);
  std::memset(record_.data(), 0, length);
  std::memcpy(record_.data(), &header, sizeof header);
  std::ranges::copy(operations, record_.data() + sizeof header);
  planned_ = {.next_offset_bytes = place_for(length) + length,
              .last_number = header.number.get(),
              .last_checksum = header.checksum.get()};
  return length;
}

IoRequest Journal::plan(std::span<const std::byte> operations) {
  DD_CHECK(has_room(operations.size(), 0));
  const std::uint64_t length = encode(operations, 0);
  return IoRequest::write(kJournalOffset + planned_.next_offset_bytes - length,
                          record_.span().first(length));
}

void Journal::committed() {
  position_ = planned_;
  is_sealed_ = false;
}

Status Journal::seal() {
  if (is_sealed_) return {};
  const std::uint64_t length = encode({}, kSealFlag);
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

Journal::Found Journal::find_record(std::span<const std::byte> ring,
                                    std::uint64_t offset_bytes) const {
  Found found;
  if (offset_bytes + sizeof(RecordHeaderDisk) > ring.size()) return found;
  std::memcpy(&found.header, ring.data() + offset_bytes, sizeof found.header);
  const std::uint64_t length = found.header.length_bytes.get();
  if (found.header.magic.get() != kMagic || found.header.store != store_.bytes) return found;
  if (length < sizeof found.header || length > sizeof found.header + kMaxRecordBytes ||
      offset_bytes + length > ring.size())
    return found;
  found.operations = ring.subspan(offset_bytes + sizeof found.header, length - sizeof found.header);
  found.is_valid = found.header.checksum.get() == record_checksum(found.header, found.operations);
  return found;
}

// The record that continues the chain stands behind the last one or, where it did not fit there, at
// the start of the ring. A seal behind the last one may be older than a record of the same number
// at the start: the record wins.
Journal::Next Journal::find_next(std::span<const std::byte> ring) const {
  Next best;
  for (const std::uint64_t offset : {position_.next_offset_bytes, std::uint64_t{0}}) {
    const Found found = find_record(ring, offset);
    const bool is_next = found.is_valid && found.header.number.get() == position_.last_number + 1 &&
                         found.header.previous_checksum.get() == position_.last_checksum;
    if (!is_next) continue;
    best = {offset, found};
    if ((found.header.flags.get() & kSealFlag) == 0) break;
  }
  return best;
}

bool Journal::has_later_record(std::span<const std::byte> ring) const {
  for (std::uint64_t offset = 0; offset < ring.size(); offset += unit_bytes_) {
    const Found found = find_record(ring, offset);
    if (found.is_valid && found.header.number.get() > position_.last_number) return true;
  }
  return false;
}

Result<Journal::Replayed> Journal::replay(
    const JournalPosition& start, const std::function<Status(std::span<const std::byte>)>& apply) {
  if (start.next_offset_bytes > size_bytes_ || start.next_offset_bytes % unit_bytes_ != 0)
    return fail(ErrorCode::kDamaged, "the superblock names an impossible place in the journal");
  AlignedBuffer ring(size_bytes_);
  DD_TRY(device_.read_at(kJournalOffset, ring.span()));
  position_ = start;
  tail_offset_ = start.next_offset_bytes;
  Replayed result;
  for (;;) {
    const Next next = find_next(ring.span());
    if (!next.found.is_valid) break;
    if (next.found.header.flags.get() & kSealFlag) {
      result.is_last_proven = true;
      position_.last_number +=
          1;  // only the record that takes the seal's place could bear its number
      break;
    }
    DD_TRY(apply(next.found.operations));
    ++result.records;
    result.is_last_proven = false;
    position_ = {next.offset_bytes + padded(next.found.operations.size()),
                 next.found.header.number.get(), next.found.header.checksum.get()};
  }
  if (has_later_record(ring.span()))
    return fail(ErrorCode::kDamaged,
                fmt::format("journal record {} is damaged: a later one is there (S3)",
                            position_.last_number + 1));
  return result;
}

}  // namespace ddsnap
