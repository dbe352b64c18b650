// Bytes as a manifest, as a change map, as the entries of a run: decoded, used, and encoded again.
//
// The first byte of the input says as which.
#include <cstring>

#include "server/store/manifest.h"
#include "server/store/run.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/small_store.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::uint32_t kMaxBlocks = 4;

void use_manifest(std::span<const std::byte> bytes) {
  auto state = decode_manifest(bytes);
  if (!state) return must(!state.error().text.empty(), "an error has a sentence");
  state->rebuild_derived();
  const auto once = encode_manifest(*state, {});
  must(once.size() <= manifest_bytes_at_most(*state), "a manifest is as long as was said");
  const auto again = decode_manifest(once);
  must(again.has_value(), "what was decoded can be encoded and decoded");
  must(encode_manifest(*again, {}) == once, "and is the same");
}

void use_bitmap(Roaring bitmap) {
  Roaring other;
  other.addRange(3, 70'000);
  (void)(bitmap & other);
  (void)(bitmap - other);
  must((bitmap | other).cardinality() >= other.cardinality(), "a union is no smaller");
  must(bitmap.and_cardinality(other) <= bitmap.cardinality(), "an intersection is no larger");
  std::uint64_t count = 0;
  std::int64_t last = -1;
  for (const std::uint32_t chunk : bitmap) {
    must(chunk > last, "chunks ascend");
    last = chunk;
    ++count;
  }
  must(count == bitmap.cardinality(), "a bitmap has as many chunks as it says");
  bitmap.remove(3);
  bitmap.add(5);
  bitmap.runOptimize();
}

void use_change_map(std::span<const std::byte> bytes) {
  Boundary boundary;
  if (!decode_change_map(bytes, boundary)) return;
  use_bitmap(boundary.map.bitmap());
  use_bitmap(boundary.private_keys.bitmap());
  Boundary again;
  must(decode_change_map(encode_change_map(boundary), again).has_value() &&
           again.map == boundary.map && again.private_keys == boundary.private_keys,
       "what was decoded is encoded to the same");
}

// The first eight bytes: where the run begins and how many entries it has; then its blocks.
void use_run(std::span<const std::byte> bytes) {
  if (bytes.size() < 16) return;
  Layout layout;
  layout.tables_offset_bytes = 4096;
  layout.table_blocks = kMaxBlocks;
  const Uuid store{{std::byte{3}}};
  test::MemoryDevice device(4096 * (kMaxBlocks + 1), "tables");
  Run run{.owner = 77};
  std::memcpy(&run.first_entry, bytes.data(), 4);
  std::memcpy(&run.entry_count, bytes.data() + 4, 4);
  std::memcpy(&run.first_chunk.value, bytes.data() + 8, 4);
  std::memcpy(&run.last_chunk.value, bytes.data() + 12, 4);
  run.first_entry %= kRunEntriesPerBlock * kMaxBlocks;
  run.entry_count = run.entry_count % (kRunEntriesPerBlock * kMaxBlocks - run.first_entry) + 1;
  bytes = bytes.subspan(16);
  for (std::uint32_t i = 0; i < kMaxBlocks; ++i) {
    Bytes block(kMetadataBlockBytes);
    const auto part = bytes.first(std::min<std::size_t>(bytes.size(), kMetadataPayloadBytes));
    std::ranges::copy(part, block.begin() + sizeof(MetadataBlockHeaderDisk));
    bytes = bytes.subspan(part.size());
    seal_metadata_block(block, store, {MetadataType::kRun, run.owner}, i, i,
                        static_cast<std::uint32_t>(part.size()));
    (void)device.write_at(layout.block_offset_bytes(i), block);
  }
  std::vector<ChunkException> seen;
  const Status indexed = index_run(run, device, layout, store, [&](const ChunkException& entry) {
    seen.push_back(entry);
    return Status{};
  });
  if (!indexed) return;
  must(seen.size() == run.entry_count, "a run has as many entries as it says");
  BlockCache cache(device, layout, store, 64 << 10);
  for (const ChunkException& entry : seen) {
    const auto found = find_in_run(run, entry.chunk, cache);
    must(found && *found && (*found)->slot == entry.exception.slot, "each entry of a run is found");
  }
  (void)find_in_run(run, {run.first_chunk.value + 1}, cache);
}

Bytes tagged(int kind, std::span<const std::byte> bytes) {
  Bytes out{static_cast<std::byte>(kind)};
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

Bytes change_map_of(bool is_dense) {
  Boundary boundary;
  for (std::uint32_t chunk = 7; chunk < 200'000; chunk += is_dense ? 3 : 40'000)
    boundary.map.add(chunk);
  for (std::uint32_t chunk = 70'000; chunk < 70'100; ++chunk) boundary.private_keys.add(chunk);
  boundary.private_keys.rest();
  return encode_change_map(boundary);
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  if (input.empty()) return;
  const auto rest = input.subspan(1);
  switch (static_cast<unsigned>(input[0]) % 3) {
    case 0:
      return use_manifest(rest);
    case 1:
      return use_change_map(rest);
    default:
      return use_run(rest);
  }
}

std::vector<Seed> make_seeds() {
  State state;
  Freed freed;
  const std::vector<Operation> life = {
      CreateOp{{1}, {.uuid = {{std::byte{9}}}, .tag = "0"}, 1 << 20},
      CreateOp{{2}, {.uuid = {{std::byte{8}}}, .tag = "1", .is_bookmark = true}, 1 << 20},
      CreateOp{{3}, {.uuid = {{std::byte{7}}}, .tag = "2"}, 1 << 20}, PrivateOp{{3}, {}},
      AttachOp{{.id = 1, .label = "a"}}};
  for (const Operation& operation : life)
    must(state.apply(operation, freed).has_value(), "a life is a life");
  RunGroup group;
  group.runs.push_back(
      {.owner = 5, .object_first_block = 2, .entry_count = 10, .last_chunk = {40}});
  state.find(Epoch{3})->table->groups.push_back(group);
  SpaceMap space(kMaxBlocks);
  std::uint64_t owner = 77;
  RunSection entries;
  for (std::uint32_t chunk = 0; chunk < 300; chunk += 30)
    entries.push_back({{chunk}, {.slot = {chunk + 1}, .hash = {chunk}}});
  const auto planned = plan_runs(std::span(&entries, 1), {{std::byte{3}}}, owner, space);
  must(planned.has_value(), "a run is planned");
  Bytes run(16);
  const std::uint32_t shape[] = {0, static_cast<std::uint32_t>(entries.size() - 1), 0, 270};
  std::memcpy(run.data(), shape, sizeof shape);
  const auto block = planned->blocks[0].buffer.span();
  const auto payload =
      block.subspan(sizeof(MetadataBlockHeaderDisk), entries.size() * kRunEntryBytes);
  run.insert(run.end(), payload.begin(), payload.end());
  return {{"manifest", tagged(0, encode_manifest(state, {}))},
          {"change-map", tagged(1, change_map_of(false))},
          {"run", tagged(2, run)}};
}

}  // namespace ddsnap::fuzz
