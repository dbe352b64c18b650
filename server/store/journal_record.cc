#include "server/store/journal_record.h"

#include <algorithm>
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/limits.h"

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
static_assert(sizeof(RecordHeaderDisk) == kRecordHeaderBytes);

std::uint64_t record_checksum(RecordHeaderDisk header, std::span<const std::byte> operations) {
  header.checksum = 0;
  const std::uint64_t head = checksum_of(std::as_bytes(std::span(&header, 1)), kChecksumKind);
  return checksum_of(operations, head);
}

}  // namespace

std::uint64_t encode_record(const Uuid& store, const JournalPosition& after, bool is_seal,
                            std::span<const std::byte> operations, std::uint64_t padded_bytes,
                            std::span<std::byte> into) {
  DD_CHECK(sizeof(RecordHeaderDisk) + operations.size() <= padded_bytes &&
           padded_bytes <= into.size());
  RecordHeaderDisk header{};
  header.magic = kMagic;
  header.length_bytes = static_cast<std::uint32_t>(sizeof header + operations.size());
  header.store = store.bytes;
  header.number = after.last_number + 1;
  header.previous_checksum = after.last_checksum;
  header.flags = is_seal ? kSealFlag : 0;
  header.checksum = record_checksum(header, operations);
  std::memset(into.data(), 0, padded_bytes);
  std::memcpy(into.data(), &header, sizeof header);
  std::ranges::copy(operations, into.data() + sizeof header);
  return header.checksum.get();
}

Result<JournalRings> JournalRings::read(BlockDevice& metadata, const Layout& layout,
                                        const Uuid& store) {
  JournalRings all(layout, store);
  std::vector<IoRequest> requests;
  for (std::size_t ring = 0; ring < kJournalRings; ++ring)
    requests.push_back(IoRequest::read(layout.journal_offset_bytes(ring), all.rings_[ring].span()));
  DD_TRY(metadata.run(requests));
  return all;
}

std::optional<JournalRecord> decode_record(std::span<const std::byte> bytes,
                                           std::uint64_t offset_bytes, std::uint64_t unit_bytes,
                                           const Uuid& store) {
  RecordHeaderDisk header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::uint64_t length = header.length_bytes.get();
  if (header.magic.get() != kMagic || header.store != store.bytes) return std::nullopt;
  if (length < sizeof header || length > sizeof header + kMaxRecordBytes || length > bytes.size())
    return std::nullopt;
  const auto operations = bytes.subspan(sizeof header, length - sizeof header);
  if (header.checksum.get() != record_checksum(header, operations)) return std::nullopt;
  return JournalRecord{.offset_bytes = offset_bytes,
                       .length_bytes = round_up(length, unit_bytes),
                       .number = header.number.get(),
                       .previous_checksum = header.previous_checksum.get(),
                       .checksum = header.checksum.get(),
                       .is_seal = (header.flags.get() & kSealFlag) != 0,
                       .operations = operations};
}

std::optional<JournalRecord> JournalRings::at(const AlignedBuffer& ring,
                                              std::uint64_t offset_bytes) const {
  if (offset_bytes >= ring.size()) return std::nullopt;
  return decode_record(ring.span().subspan(offset_bytes), offset_bytes, unit_bytes_, store_);
}

std::optional<JournalRecord> JournalRings::next(const JournalPosition& position) const {
  std::optional<JournalRecord> best;
  for (const std::uint64_t offset : {position.next_offset_bytes, std::uint64_t{0}})
    for (const AlignedBuffer& ring : rings_) {
      const auto found = at(ring, offset);
      const bool is_next = found && found->number == position.last_number + 1 &&
                           found->previous_checksum == position.last_checksum;
      if (!is_next) continue;
      if (!found->is_seal) return found;
      if (!best) best = found;
    }
  return best;
}

bool JournalRings::is_in_both(const JournalRecord& record) const {
  return std::ranges::all_of(rings_, [&](const AlignedBuffer& ring) {
    const auto found = at(ring, record.offset_bytes);
    return found && found->checksum == record.checksum;
  });
}

std::vector<JournalRecord> JournalRings::later_than(std::uint64_t number) const {
  std::vector<JournalRecord> later;
  for (const AlignedBuffer& ring : rings_)
    for (std::uint64_t offset = 0; offset < ring.size(); offset += unit_bytes_)
      if (auto found = at(ring, offset); found && found->number > number) later.push_back(*found);
  std::ranges::sort(later, [](const JournalRecord& a, const JournalRecord& b) {
    return a.number != b.number ? a.number < b.number : a.is_seal < b.is_seal;
  });
  const auto repeated = std::ranges::unique(later, {}, &JournalRecord::number);
  later.erase(repeated.begin(), repeated.end());
  return later;
}

}  // namespace ddsnap
