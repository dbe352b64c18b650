// Bytes as the operations of journal records, in a chain that is right, with noise written over the
// ring; replayed, decoded, applied. The chain ends or is damage; operations fit the state or are
// refused; what was decoded is encoded to the same bytes.
//
// The input is pieces, each a length (2 bytes) and so many bytes: operations of one record, or,
// where the length's top bit is set, noise at a place (4 bytes) of the first ring, of the second
// where that place's lowest bit is set.
#include "server/store/journal.h"
#include "server/store/operations.h"
#include "server/store/state.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/input_reader.h"
#include "tests/support/memory_device.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::uint64_t kRingBytes = 128 << 10;
constexpr std::uint16_t kNoise = 0x8000;
constexpr std::size_t kMaxPieceBytes = 2048;
constexpr int kMaxPieces = 40;

Layout layout() {
  Layout layout;
  layout.journal_bytes = kRingBytes;
  layout.tables_offset_bytes = kJournalOffset + kRingBytes;
  return layout;
}

void look_at(const State& state) {
  for (const auto& [epoch, boundary] : state.boundaries) {
    (void)boundary.facts();
    (void)state.slots_freed_by_removing(boundary);
    for (std::uint32_t chunk = 0; chunk < 40; ++chunk) (void)state.live().find({epoch}, {chunk});
  }
  (void)state.newest();
  (void)state.find("0");
}

Status apply(State& state, std::span<const std::byte> bytes) {
  const auto operations = DD_TRY(decode_operations(bytes));
  for (const Operation& operation : operations) {
    std::vector<std::byte> encoded;
    encode_operation(operation, encoded);
    must(decode_operations(encoded).has_value(), "what was decoded can be encoded again");
    Freed freed;
    DD_TRY(state.apply(operation, freed));
    look_at(state);
  }
  return {};
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  test::MemoryDevice device(layout().end_of_metadata_bytes(), "journal");
  const JournalPosition start{.next_offset_bytes = 512, .last_number = 7, .last_checksum = 99};
  const Uuid store{{std::byte{5}}};
  Journal writer(device, layout(), store);
  must(writer.replay(start, [](auto) { return Status{}; }).has_value(),
       "an empty ring is replayed");
  InputReader reader(input);
  for (int pieces = 0; pieces < kMaxPieces && !reader.is_at_end(); ++pieces) {
    const std::uint16_t length = reader.u16();
    if ((length & kNoise) != 0) {
      const std::uint32_t place = reader.u32();
      const std::uint64_t at = place % (kRingBytes - kMaxPieceBytes) / 512 * 512;
      (void)device.write_at(layout().journal_offset_bytes(place % 2) + at,
                            reader.take(length % kMaxPieceBytes));
      continue;
    }
    const auto operations = reader.take(length % kMaxPieceBytes);
    if (!writer.has_room(operations.size(), 0)) break;
    auto requests = writer.plan(operations);
    must(device.run(requests).has_value(), "memory takes a record");
    writer.committed();
  }
  State state;
  Journal journal(device, layout(), store);
  const auto replayed =
      journal.replay(start, [&](std::span<const std::byte> bytes) { return apply(state, bytes); });
  must(replayed || !replayed.error().text.empty(), "an error has a sentence");
}

std::vector<Seed> make_seeds() {
  const auto record = [](Bytes& out, const std::vector<Operation>& operations) {
    std::vector<std::byte> body;
    for (const Operation& operation : operations) encode_operation(operation, body);
    out.push_back(static_cast<std::byte>(body.size() & 0xff));
    out.push_back(static_cast<std::byte>(body.size() >> 8));
    out.insert(out.end(), body.begin(), body.end());
  };
  Bytes life;
  const Uuid uuid{{std::byte{9}}};
  record(life, {CreateOp{{1}, {.uuid = uuid, .tag = "0"}, 1 << 20}});
  record(life, {CopiedOutOp{{1}, {1}, {{{3}, {.slot = {4}, .hash = {5}}}, {{9}, {}}}}});
  record(life, {PrivateOp{{1}, {{{3}, {.slot = {7}}}}}, AttachOp{{.id = 1, .label = "a"}}});
  record(life, {CreateOp{{2}, {.uuid = uuid, .tag = "1", .is_bookmark = true}, 1 << 20}});
  record(life, {CopiedOutOp{{1}, {2}, {{{4}, {.slot = {5}, .hash = {5}}}}}, ChangedOp{{2}, {{1}}}});
  record(life,
         {SetPriorityOp{{1}, 3}, SetUseCountOp{{1}, 2}, DetachOp{1}, ResizeOriginOp{1 << 21}});
  Bytes death = life;
  record(death, {CreateOp{{3}, {.uuid = uuid, .tag = "2"}, 1 << 20}});
  record(death, {CopiedOutOp{{3}, {3}, {{{3}, {.slot = {8}, .hash = {5}}}}}});
  record(death, {MarkDroppingOp{{3}}, RemoveOp{{3}, SnapStore::Keep::kDropped}});
  record(death, {RemoveOp{{1}, SnapStore::Keep::kNothing}});
  Bytes noisy = life;
  for (const int byte : {8, 0x80, 0, 2, 0, 0, 0x44, 0x44, 0x4a, 0x52, 1, 2, 3, 4})
    noisy.push_back(static_cast<std::byte>(byte));
  return {{"life", life}, {"death", death}, {"noisy", noisy}};
}

}  // namespace ddsnap::fuzz
