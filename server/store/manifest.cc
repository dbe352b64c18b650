#include "server/store/manifest.h"

#include <array>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/limits.h"
#include "server/store/bitmap_check.h"
#include "server/store/pack.h"

namespace ddsnap {

namespace {

constexpr std::uint32_t kManifestVersion = 1;

struct ManifestDisk {
  le32 version;
  le32 boundary_count;
  le64 next_epoch;
  le64 last_created;
  le64 origin_bytes;
  le32 next_attachment_id;
  le32 reserved;
};

enum BoundaryFlags : std::uint32_t {
  kDroppingFlag = 1,
  kMapIsKeysFlag = 2,
  kHasPrivateFlag = 4,
  kMapIncompleteFlag = 8,
  kHasMissingFlag = 16,
  kAllFlags = 31
};

struct BoundaryDisk {
  le64 epoch;
  std::array<std::byte, 16> uuid;
  std::array<char, 64> tag;
  le32 kind;
  le32 flags;
  le32 priority;  // as a signed number
  le32 use_count;
  le64 created_ns;
  le64 size_bytes;
  le64 map_owner;
  le64 map_bytes;
  le32 map_extent_count;
  le32 reserved;
};

struct CountDisk {
  le32 count;
};

struct ExtentDisk {
  le32 first;
  le32 count;
};

struct RunDisk {
  le64 owner;
  le32 object_first_block;
  le32 first_entry;
  le32 entry_count;
  le32 first_chunk;
  le32 last_chunk;
};

void pack_group(const RunGroup& group, std::vector<std::byte>& out) {
  pack(CountDisk{static_cast<std::uint32_t>(group.runs.size())}, out);
  for (const Run& run : group.runs)
    pack(RunDisk{run.owner, run.object_first_block, run.first_entry, run.entry_count,
                 run.first_chunk.value, run.last_chunk.value},
         out);
}

void pack_table(const Table* table, const Planned& planned, std::vector<std::byte>& out) {
  const auto spilled = planned.spilled.find(table);
  const bool has_spilled = spilled != planned.spilled.end();
  pack(CountDisk{static_cast<std::uint32_t>(table->groups.size() + has_spilled)}, out);
  if (has_spilled) pack_group(spilled->second, out);
  for (const RunGroup& group : table->groups) pack_group(group, out);
}

void pack_boundary(const Boundary& host, const Planned& planned, std::vector<std::byte>& out) {
  const auto new_map = planned.maps.find(host.epoch.value);
  const BlobRef& map = new_map == planned.maps.end() ? host.map_blob : new_map->second;
  BoundaryDisk disk{};
  disk.epoch = host.epoch.value;
  disk.uuid = host.uuid.bytes;
  pack_text(host.tag, disk.tag);
  disk.kind = static_cast<std::uint32_t>(host.kind);
  disk.flags = (host.is_dropping ? kDroppingFlag : 0u) | (host.map_is_keys ? kMapIsKeysFlag : 0u) |
               (host.private_table ? kHasPrivateFlag : 0u) |
               (host.is_map_incomplete ? kMapIncompleteFlag : 0u) |
               (host.has_missing() ? kHasMissingFlag : 0u);
  disk.priority = static_cast<std::uint32_t>(host.priority);
  disk.use_count = host.use_count;
  disk.created_ns = host.created_ns;
  disk.size_bytes = host.size_bytes;
  if (!host.map_is_keys) {
    disk.map_owner = map.owner;
    disk.map_bytes = map.size_bytes;
    disk.map_extent_count = static_cast<std::uint32_t>(map.extents.size());
  }
  pack(disk, out);
  if (!host.map_is_keys)
    for (const auto& extent : map.extents) pack(ExtentDisk{extent.first, extent.count}, out);
  if (host.table) pack_table(host.table.get(), planned, out);
  if (host.private_table) pack_table(host.private_table.get(), planned, out);
}

Result<std::unique_ptr<Table>> take_table(Unpacker& from) {
  auto table = std::make_unique<Table>();
  const std::uint32_t groups = DD_TRY(from.take<CountDisk>())
  .count.get();
  DD_TRY(from.expect<CountDisk>(groups));
  for (std::uint32_t g = 0; g < groups; ++g) {
    RunGroup group;
    const std::uint32_t runs = DD_TRY(from.take<CountDisk>())
    .count.get();
    DD_TRY(from.expect<RunDisk>(runs));
    for (std::uint32_t r = 0; r < runs; ++r) {
      const auto disk = DD_TRY(from.take<RunDisk>());
      if (disk.entry_count.get() == 0)
        return fail(ErrorCode::kDamaged, "the manifest names an empty run");
      group.runs.push_back({.owner = disk.owner.get(),
                            .object_first_block = disk.object_first_block.get(),
                            .first_entry = disk.first_entry.get(),
                            .entry_count = disk.entry_count.get(),
                            .first_chunk = {disk.first_chunk.get()},
                            .last_chunk = {disk.last_chunk.get()},
                            .block_index = nullptr});
    }
    table->groups.push_back(std::move(group));
  }
  return table;
}

Result<Boundary> take_boundary(Unpacker& from) {
  const auto disk = DD_TRY(from.take<BoundaryDisk>());
  Boundary host;
  host.epoch = {disk.epoch.get()};
  host.uuid.bytes = disk.uuid;
  host.tag = DD_TRY(unpack_text(disk.tag));
  const std::uint32_t kind = disk.kind.get();
  if (kind < 1 || kind > 3) return fail(ErrorCode::kDamaged, "the manifest has an unknown kind");
  host.kind = static_cast<BoundaryKind>(kind);
  if ((disk.flags.get() & ~kAllFlags) != 0)
    return fail(ErrorCode::kDamaged, "the manifest has an unknown flag");
  host.is_dropping = (disk.flags.get() & kDroppingFlag) != 0;
  host.is_map_incomplete = (disk.flags.get() & kMapIncompleteFlag) != 0;
  host.map_is_keys = (disk.flags.get() & kMapIsKeysFlag) != 0;
  host.is_missing_stored = (disk.flags.get() & kHasMissingFlag) != 0;
  host.priority = static_cast<std::int8_t>(disk.priority.get());
  host.use_count = disk.use_count.get();
  host.created_ns = disk.created_ns.get();
  host.size_bytes = disk.size_bytes.get();
  host.map_blob = {
      .owner = disk.map_owner.get(), .size_bytes = disk.map_bytes.get(), .extents = {}};
  DD_TRY(from.expect<ExtentDisk>(disk.map_extent_count.get()));
  for (std::uint32_t i = 0; i < disk.map_extent_count.get(); ++i) {
    const auto extent = DD_TRY(from.take<ExtentDisk>());
    host.map_blob.extents.push_back({extent.first.get(), extent.count.get()});
  }
  if (host.is_live()) host.table = DD_TRY(take_table(from));
  if (host.map_is_keys && !host.table)
    return fail(ErrorCode::kDamaged, "the manifest has a change map that is nowhere");
  if (disk.flags.get() & kHasPrivateFlag) host.private_table = DD_TRY(take_table(from));
  if (host.is_missing_stored && (host.map_is_keys || !host.table))
    return fail(ErrorCode::kDamaged, "the manifest tells of what is missing from nowhere");
  return host;
}

std::vector<std::byte> bitmap_bytes(const Roaring& bitmap) {
  std::vector<std::byte> bytes(bitmap.getSizeInBytes());
  bitmap.write(reinterpret_cast<char*>(bytes.data()));
  return bytes;
}

Result<Roaring> take_bitmap(Unpacker& from) {
  const auto length = DD_TRY(from.take<le64>())
  .get();
  const auto bytes = DD_TRY(from.take_bytes(length));
  if (const Status whole = check_portable_bitmap(bytes); !whole)
    return with_context("a change map", whole.error());
  return Roaring::readSafe(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::vector<std::byte> encode_manifest(const State& state, const Planned& planned) {
  std::vector<std::byte> out;
  ManifestDisk disk{};
  disk.version = kManifestVersion;
  disk.boundary_count = static_cast<std::uint32_t>(state.boundaries.size());
  disk.next_epoch = state.next_epoch;
  disk.last_created = state.last_created.value;
  disk.origin_bytes = state.origin_bytes;
  disk.next_attachment_id = state.next_attachment_id;
  pack(disk, out);
  for (const auto& [epoch, boundary] : state.boundaries) pack_boundary(boundary, planned, out);
  for (const Attachment& attachment : state.attachments)
    encode_operation(AttachOp{attachment}, out);
  encode_operation(SetSettingsOp{state.settings}, out);
  encode_operation(StepDownOp{state.step_down}, out);
  if (state.origin_digest) encode_operation(SealOriginOp{*state.origin_digest}, out);
  return out;
}

Result<State> decode_manifest(std::span<const std::byte> bytes) {
  Unpacker from(bytes);
  const auto disk = DD_TRY(from.take<ManifestDisk>());
  if (disk.version.get() != kManifestVersion)
    return fail(ErrorCode::kVersion,
                "the manifest is of a version that this program does not know");
  if (disk.boundary_count.get() > kMaxBoundaries)
    return fail(ErrorCode::kDamaged, "the manifest names too many boundaries");
  State state;
  state.next_epoch = disk.next_epoch.get();
  state.last_created = {disk.last_created.get()};
  state.origin_bytes = disk.origin_bytes.get();
  for (std::uint32_t i = 0; i < disk.boundary_count.get(); ++i) {
    Boundary boundary = DD_TRY(take_boundary(from));
    const std::uint64_t epoch = boundary.epoch.value;
    const bool is_ascending =
        state.boundaries.empty() ? epoch > 0 : epoch > state.boundaries.rbegin()->first;
    if (!is_ascending || epoch >= state.next_epoch)
      return fail(ErrorCode::kDamaged, "the manifest's epochs are out of order");
    state.boundaries.emplace(epoch, std::move(boundary));
  }
  for (const Operation& operation :
       DD_TRY(decode_operations(DD_TRY(from.take_bytes(from.remaining()))))) {
    Freed nothing;
    DD_TRY(state.apply(operation, nothing));
  }
  if (disk.next_attachment_id.get() < state.next_attachment_id ||
      disk.last_created.get() >= state.next_epoch)
    return fail(ErrorCode::kDamaged, "the manifest would give numbers twice");
  state.next_attachment_id = disk.next_attachment_id.get();
  return state;
}

std::uint64_t manifest_bytes_at_most(const State& state) {
  const auto table_bytes = [](const Table* table) {
    std::uint64_t bytes = sizeof(CountDisk) * 2 + sizeof(RunDisk) * 2;
    if (table)
      for (const RunGroup& group : table->groups)
        bytes += sizeof(CountDisk) + sizeof(RunDisk) * group.runs.size();
    return bytes;
  };
  constexpr std::uint64_t kSettingsBytesAtMost = 256;
  std::uint64_t bytes =
      sizeof(ManifestDisk) + kSettingsBytesAtMost + state.attachments.size() * 256;
  for (const auto& [epoch, boundary] : state.boundaries)
    bytes += sizeof(BoundaryDisk) + (boundary.map_blob.extents.size() + 4) * sizeof(ExtentDisk) +
             table_bytes(boundary.table.get()) + table_bytes(boundary.private_table.get());
  return bytes;
}

std::vector<std::byte> encode_change_map(const Boundary& boundary) {
  std::vector<std::byte> out;
  const Roaring map = boundary.map.bitmap();
  const Roaring private_keys = boundary.private_keys.bitmap();
  const Roaring none;
  std::vector<const Roaring*> bitmaps = {&map, &private_keys};
  if (boundary.has_missing()) {
    bitmaps.push_back(&boundary.table->missing);
    bitmaps.push_back(boundary.private_table ? &boundary.private_table->missing : &none);
  }
  for (const Roaring* bitmap : bitmaps) {
    const std::vector<std::byte> bytes = bitmap_bytes(*bitmap);
    pack(le64(bytes.size()), out);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

Status decode_change_map(std::span<const std::byte> bytes, Boundary& boundary) {
  Unpacker from(bytes);
  boundary.map = ChunkSet(DD_TRY(take_bitmap(from)));
  boundary.private_keys = ChunkSet(DD_TRY(take_bitmap(from)));
  boundary.map.rest();
  boundary.private_keys.rest();
  if (boundary.is_missing_stored) {
    boundary.table->missing = DD_TRY(take_bitmap(from));
    const Roaring missing_privately = DD_TRY(take_bitmap(from));
    if (boundary.private_table) boundary.private_table->missing = missing_privately;
  }
  if (!from.is_at_end()) return fail(ErrorCode::kDamaged, "a change map is longer than it may be");
  return {};
}

}  // namespace ddsnap
