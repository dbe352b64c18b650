#include "server/store/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ddsnap/base/endian.h"

namespace ddsnap {

namespace {

constexpr std::uint32_t kReadBlocks = 64;

struct EntryDisk {
  le32 chunk;
  le32 slot;
  le64 hash;
};
static_assert(sizeof(EntryDisk) == kRunEntryBytes);

ChunkException decode_entry(std::span<const std::byte> payload, std::uint32_t index) {
  EntryDisk disk;
  std::memcpy(&disk, payload.data() + std::size_t{index} * kRunEntryBytes, sizeof disk);
  return {{disk.chunk.get()}, {.slot = {disk.slot.get()}, .hash = {disk.hash.get()}}};
}

void encode_entry(const ChunkException& entry, std::byte* at) {
  const EntryDisk disk{entry.chunk.value, entry.exception.slot.value, entry.exception.hash.value};
  std::memcpy(at, &disk, sizeof disk);
}

// The entries of `run` that lie in block `index` of its object, as [first, last) within the block.
struct BlockPart {
  std::uint32_t first;
  std::uint32_t last;
};
BlockPart part_of_block(const Run& run, std::uint32_t index) {
  const std::uint64_t block_start = std::uint64_t{index} * kRunEntriesPerBlock;
  const std::uint64_t run_end = std::uint64_t{run.first_entry} + run.entry_count;
  const std::uint64_t first = std::max<std::uint64_t>(run.first_entry, block_start);
  const std::uint64_t last = std::min<std::uint64_t>(run_end, block_start + kRunEntriesPerBlock);
  return {static_cast<std::uint32_t>(first - block_start),
          static_cast<std::uint32_t>(last - block_start)};
}

Status check_part(std::span<const std::byte> payload, BlockPart part) {
  if (payload.size() < std::size_t{part.last} * kRunEntryBytes)
    return fail(ErrorCode::kDamaged, "a run's block holds fewer entries than its table says");
  return {};
}

}  // namespace

Result<std::optional<Exception>> find_in_run(const Run& run, ChunkNr chunk, BlockCache& cache) {
  if (!run.may_hold(chunk)) return std::nullopt;
  const auto& index = *run.block_index;
  const auto after = std::upper_bound(index.begin(), index.end(), chunk.value);
  DD_CHECK(after != index.begin());
  const std::uint32_t block =
      run.first_block_index() + static_cast<std::uint32_t>(after - index.begin()) - 1;
  const auto payload =
      DD_TRY(cache.get({MetadataType::kRun, run.owner}, block, run.object_first_block + block));
  const BlockPart part = part_of_block(run, block);
  DD_TRY(check_part(payload, part));
  std::uint32_t low = part.first;
  std::uint32_t high = part.last;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    const ChunkException entry = decode_entry(payload, middle);
    if (entry.chunk == chunk) return entry.exception;
    if (entry.chunk < chunk)
      low = middle + 1;
    else
      high = middle;
  }
  return std::nullopt;
}

RunCursor::RunCursor(const Run& run, BlockDevice& metadata, const Layout& layout, const Uuid& store)
    : run_(run), device_(metadata), layout_(layout), store_(store) {}

Result<std::optional<ChunkException>> RunCursor::peek() {
  if (position_ >= run_.entry_count) return std::nullopt;
  if (position_ >= loaded_until_) DD_TRY(load());
  return entries_[position_ - loaded_from_];
}

Status RunCursor::load() {
  const std::uint32_t first = (run_.first_entry + position_) / kRunEntriesPerBlock;
  const std::uint32_t last = std::min(run_.last_block_index(), first + kReadBlocks - 1);
  AlignedBuffer buffer(std::size_t{last - first + 1} * kMetadataBlockBytes);
  DD_TRY(
      device_.read_at(layout_.block_offset_bytes(run_.object_first_block + first), buffer.span()));
  entries_.clear();
  for (std::uint32_t index = first; index <= last; ++index) {
    const auto block = buffer.span().subspan(std::size_t{index - first} * kMetadataBlockBytes,
                                             kMetadataBlockBytes);
    const auto payload = DD_TRY(check_metadata_block(
        block, store_, {MetadataType::kRun, run_.owner}, index, run_.object_first_block + index));
    const BlockPart part = part_of_block(run_, index);
    DD_TRY(check_part(payload, part));
    for (std::uint32_t i = part.first; i < part.last; ++i) {
      const ChunkException entry = decode_entry(payload, i);
      if (last_chunk_ && entry.chunk <= *last_chunk_)
        return fail(ErrorCode::kDamaged, "a run's entries are out of order");
      last_chunk_ = entry.chunk;
      entries_.push_back(entry);
    }
  }
  loaded_from_ = position_;
  loaded_until_ = position_ + static_cast<std::uint32_t>(entries_.size());
  return {};
}

namespace {

// Walks the sections, some entries of one of them at a time.
class SectionCursor {
 public:
  explicit SectionCursor(std::span<const RunSection> sections) : sections_(sections) {}
  bool is_at_end() const { return section_ == sections_.size(); }
  std::size_t section() const { return section_; }
  std::span<const ChunkException> take(std::size_t at_most) {
    const std::span<const ChunkException> from = sections_[section_];
    const auto taken = from.subspan(entry_, std::min(at_most, from.size() - entry_));
    entry_ += taken.size();
    if (entry_ == from.size()) {
      ++section_;
      entry_ = 0;
    }
    return taken;
  }

 private:
  std::span<const RunSection> sections_;
  std::size_t section_ = 0;
  std::size_t entry_ = 0;
};

// The blocks of one object while they fill up.
struct FillingObject {
  SpaceMap::Stretch extent;
  std::uint64_t owner;
  AlignedBuffer buffer;
  std::uint32_t filled = 0;  // entries

  std::uint32_t room() const { return extent.count * kRunEntriesPerBlock - filled; }
  std::span<std::byte> block(std::uint32_t index) {
    return buffer.span().subspan(std::size_t{index} * kMetadataBlockBytes, kMetadataBlockBytes);
  }

  Run add(std::span<const ChunkException> entries) {
    Run run{.owner = owner,
            .object_first_block = extent.first,
            .first_entry = filled,
            .entry_count = static_cast<std::uint32_t>(entries.size()),
            .first_chunk = entries.front().chunk,
            .last_chunk = entries.back().chunk};
    auto index = std::make_shared<std::vector<std::uint32_t>>();
    for (const ChunkException& entry : entries) {
      const std::uint32_t in_block = filled % kRunEntriesPerBlock;
      if (filled == run.first_entry || in_block == 0) index->push_back(entry.chunk.value);
      encode_entry(entry, block(filled / kRunEntriesPerBlock).data() +
                              sizeof(MetadataBlockHeaderDisk) +
                              std::size_t{in_block} * kRunEntryBytes);
      ++filled;
    }
    run.block_index = std::move(index);
    return run;
  }

  PlannedBlocks seal(const Uuid& store) {
    for (std::uint32_t i = 0; i < extent.count; ++i) {
      const std::uint32_t before = std::min(filled, i * kRunEntriesPerBlock);
      const std::uint32_t entries = std::min(filled - before, kRunEntriesPerBlock);
      seal_metadata_block(block(i), store, {MetadataType::kRun, owner}, i, extent.first + i,
                          entries * kRunEntryBytes);
    }
    return {std::move(buffer), {extent}};
  }
};

}  // namespace

Result<PlannedRuns> plan_runs(std::span<const RunSection> sections, const Uuid& store,
                              std::uint64_t& next_owner, SpaceMap& space) {
  std::uint64_t entries = 0;
  for (const auto& section : sections) entries += section.size();
  const std::uint64_t blocks = (entries + kRunEntriesPerBlock - 1) / kRunEntriesPerBlock;
  const auto extents = DD_TRY(allocate_blocks(space, blocks, SIZE_MAX));

  PlannedRuns plan;
  SectionCursor cursor(sections);
  for (const auto& extent : extents) {
    FillingObject object{extent, next_owner++,
                         AlignedBuffer(std::size_t{extent.count} * kMetadataBlockBytes)};
    while (object.room() > 0 && !cursor.is_at_end()) {
      plan.section_of_run.push_back(cursor.section());
      plan.runs.push_back(object.add(cursor.take(object.room())));
    }
    plan.blocks.push_back(object.seal(store));
  }
  return plan;
}

Status index_run(Run& run, BlockDevice& metadata, const Layout& layout, const Uuid& store,
                 const std::function<Status(const ChunkException&)>& see) {
  auto index = std::make_shared<std::vector<std::uint32_t>>();
  RunCursor cursor(run, metadata, layout, store);
  std::optional<ChunkNr> first;
  std::optional<ChunkNr> last;
  while (const auto entry = DD_TRY(cursor.peek())) {
    const std::uint32_t at = run.first_entry + cursor.entries_passed();
    if (!first || at % kRunEntriesPerBlock == 0) index->push_back(entry->chunk.value);
    if (!first) first = entry->chunk;
    last = entry->chunk;
    DD_TRY(see(*entry));
    cursor.advance();
  }
  if (first != run.first_chunk || last != run.last_chunk)
    return fail(ErrorCode::kDamaged, "a run's entries are not those that its table names");
  run.block_index = std::move(index);
  return {};
}

Run trimmed_run(const Run& run, std::uint32_t entries, ChunkNr new_first) {
  DD_CHECK(entries < run.entry_count);
  Run rest = run;
  rest.first_entry += entries;
  rest.entry_count -= entries;
  rest.first_chunk = new_first;
  const std::uint32_t blocks_gone = rest.first_block_index() - run.first_block_index();
  auto index = std::make_shared<std::vector<std::uint32_t>>(run.block_index->begin() + blocks_gone,
                                                            run.block_index->end());
  index->front() = new_first.value;
  rest.block_index = std::move(index);
  return rest;
}

}  // namespace ddsnap
