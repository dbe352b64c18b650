// A whole snapstore whose metadata lies: the input edits manifest, change maps, runs and journal of
// a store with a history, the checksums are made right, and the store is opened and used up. It may
// be refused; it may hold nonsense; it may not end the server.
//
// The input is edits: where (2 bytes, in all that carries meaning), how many bytes (1), the bytes.
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "server/store/metadata_block.h"
#include "server/store/superblock.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/input_reader.h"
#include "tests/fuzz/store_use.h"
#include "tests/support/small_store.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::uint32_t kChunks = 64;
constexpr std::uint64_t kStoreBytes = 1 << 20;
constexpr int kMaxEdits = 24;
constexpr std::size_t kMaxEditBytes = 32;
constexpr std::uint64_t kJournalKind = 0x4a52;
constexpr std::size_t kRecordHeaderBytes = 64;
constexpr std::size_t kRecordLengthAt = 4;
constexpr std::size_t kRecordNumberAt = 24;
constexpr std::size_t kRecordPreviousAt = 32;
constexpr std::size_t kRecordChecksumAt = 56;

struct Piece {
  std::uint64_t offset_bytes = 0;  // of a metadata block, or of a journal record
  std::size_t header_bytes = 0;
  std::size_t length_bytes = 0;  // header included
};

struct BaseImage {
  test::CowBytes origin;
  test::CowBytes snapstore;
  Superblock superblock;
  std::vector<Piece> blocks;
  std::vector<Piece> records;  // in the order of the chain
};

std::uint64_t le64_at(std::span<const std::byte> bytes, std::size_t at) {
  le64 value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value.get();
}
void put_le64(std::span<std::byte> bytes, std::size_t at, std::uint64_t value) {
  const le64 disk(value);
  std::memcpy(bytes.data() + at, &disk, sizeof disk);
}

// Snapshots, a bookmark, private writes, attachments; runs of several spills, and a journal after
// them whose last record was never sealed.
void live_a_little(test::SmallStore& small) {
  small.create();
  small.write(0, 24);
  small.create(true);
  small.write(8, 24);
  small.create();
  small.write_private(0, 5);
  small.write(4, 40);
  (void)small.store->attach({.is_origin = true, .label = "origin"});
  (void)small.store->attach({.is_origin = false, .snapshot = small.epoch(0), .label = "snapshot"});
  while (small.store->has_background_work() && small.store->background_step()) continue;
  small.create();
  small.write_private(2, 9);
  small.write(0, 12);
  small.remove(0, SnapStore::Keep::kBookmark);
  small.write(20, 6);
  (void)small.store->set_priority(small.epoch(2), 5);
  (void)small.store->set_use_count(small.epoch(2), 1);
  small.write(30, 4);
}

void find_blocks(BaseImage& image) {
  const Layout& layout = image.superblock.layout;
  for (std::uint32_t block = 0; block < layout.table_blocks; ++block) {
    MetadataBlockHeaderDisk header;
    image.snapstore.read(layout.block_offset_bytes(block),
                         std::as_writable_bytes(std::span(&header, 1)));
    if (header.magic.get() == 0x424d4444 && header.location.get() == block)
      image.blocks.push_back({layout.block_offset_bytes(block), sizeof header,
                              sizeof header + header.payload_bytes.get()});
  }
}

void find_records(BaseImage& image) {
  const JournalPosition& start = image.superblock.journal;
  std::uint64_t at = start.next_offset_bytes;
  for (std::uint64_t number = start.last_number + 1;; ++number) {
    std::byte header[kRecordHeaderBytes];
    image.snapstore.read(kJournalOffset + at, header);
    if (std::memcmp(header, "DDJR", 4) != 0 || le64_at(header, kRecordNumberAt) != number) return;
    le32 length;
    std::memcpy(&length, header + kRecordLengthAt, sizeof length);
    image.records.push_back({kJournalOffset + at, sizeof header, length.get()});
    at += round_up(length.get(), image.superblock.layout.journal_unit_bytes);
  }
}

const BaseImage& base_image() {
  static const BaseImage image = [] {
    test::SmallStore small(kChunks, kStoreBytes, 16);
    live_a_little(small);
    small.kill();
    BaseImage made{small.origin.content(),
                   small.snapstore.content(),
                   read_superblock(small.snapstore, StoreRole::kMetadata).value().superblock,
                   {},
                   {}};
    find_blocks(made);
    find_records(made);
    must(made.blocks.size() > 5 && made.records.size() > 5, "the store has a history");
    return made;
  }();
  return image;
}

// All that carries meaning as one row of bytes, in pieces.
class EditedImage {
 public:
  explicit EditedImage(const BaseImage& base) : base_(base), content_(base.snapstore) {
    for (const auto* pieces : {&base.blocks, &base.records})
      for (const Piece& piece : *pieces) total_bytes_ += piece.length_bytes - piece.header_bytes;
  }

  void edit(std::size_t where, std::span<const std::byte> bytes) {
    where %= total_bytes_;
    for (const auto* pieces : {&base_.blocks, &base_.records}) {
      for (const Piece& piece : *pieces) {
        const std::size_t payload = piece.length_bytes - piece.header_bytes;
        if (where < payload) {
          content_.write(piece.offset_bytes + piece.header_bytes + where,
                         bytes.first(std::min(bytes.size(), payload - where)));
          return;
        }
        where -= payload;
      }
    }
  }

  test::CowBytes mended() {
    for (const Piece& block : base_.blocks) mend_block(block);
    std::uint64_t previous = base_.superblock.journal.last_checksum;
    for (const Piece& record : base_.records) previous = mend_record(record, previous);
    return content_;
  }

 private:
  void mend_block(const Piece& piece) {
    Bytes block(kMetadataBlockBytes);
    content_.read(piece.offset_bytes, block);
    MetadataBlockHeaderDisk header;
    std::memcpy(&header, block.data(), sizeof header);
    seal_metadata_block(block, base_.superblock.store,
                        {static_cast<MetadataType>(header.type.get()), header.owner.get()},
                        header.index.get(), header.location.get(), header.payload_bytes.get());
    content_.write(piece.offset_bytes, block);
  }

  std::uint64_t mend_record(const Piece& piece, std::uint64_t previous) {
    Bytes record(piece.length_bytes);
    content_.read(piece.offset_bytes, record);
    put_le64(record, kRecordPreviousAt, previous);
    put_le64(record, kRecordChecksumAt, 0);
    const auto whole = std::span<const std::byte>(record);
    const std::uint64_t head = checksum_of(whole.first(kRecordHeaderBytes), kJournalKind);
    const std::uint64_t checksum = checksum_of(whole.subspan(kRecordHeaderBytes), head);
    put_le64(record, kRecordChecksumAt, checksum);
    content_.write(piece.offset_bytes, record);
    content_.write(
        base_.superblock.layout.journal_offset_bytes(1) + piece.offset_bytes - kJournalOffset,
        record);
    return checksum;
  }

  const BaseImage& base_;
  test::CowBytes content_;
  std::size_t total_bytes_ = 0;
};

}  // namespace

void run_one(std::span<const std::byte> input) {
  const BaseImage& base = base_image();
  EditedImage edited(base);
  InputReader reader(input);
  for (int edits = 0; edits < kMaxEdits && !reader.is_at_end(); ++edits) {
    const std::size_t where = reader.u16();
    edited.edit(where, reader.take(reader.u8() % kMaxEditBytes + 1));
  }
  test::MemoryDevice snapstore({.size_bytes = base.snapstore.size()}, edited.mended(), "snapstore");
  test::MemoryDevice origin({.size_bytes = base.origin.size()}, base.origin, "origin");
  const bool has_opened = open_and_use(snapstore, origin);
  must(has_opened || !input.empty(), "the store opens as it was");
}

std::vector<Seed> make_seeds() {
  (void)base_image();
  return {{"one-byte", {std::byte{40}, std::byte{0}, std::byte{0}, std::byte{3}}},
          {"far-away",
           {std::byte{0}, std::byte{0x20}, std::byte{3}, std::byte{1}, std::byte{0}, std::byte{0},
            std::byte{0}}},
          {"slot",
           {std::byte{4}, std::byte{1}, std::byte{3}, std::byte{0xff}, std::byte{0xff},
            std::byte{0xff}, std::byte{0xff}}}};
}

}  // namespace ddsnap::fuzz
