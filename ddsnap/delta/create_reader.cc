#include "ddsnap/delta/create_reader.h"

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

CreateReader::CreateReader(const Changelist& list, const DeltaHeader& header, BlockDevice* from,
                           BlockDevice& to, bool is_reverse, std::size_t job_bytes,
                           WorkContext& context)
    : header_(header),
      knows_hashes_(!list.before.empty()),
      is_reverse_(is_reverse),
      chunk_bytes_(header.to_geometry().chunk_bytes()),
      job_chunks_(job_bytes / chunk_bytes_),
      context_(context),
      cursor_(list),
      to_(to, header.to_geometry()),
      holes_(to, header.to_geometry()) {
  if (from != nullptr) from_.emplace(*from, header.from_geometry());
}

Result<bool> CreateReader::plan(CreateJob& job) {
  job.items.clear();
  job.frames.clear();
  job.new_chunks.clear();
  job.old_chunks.clear();
  DD_TRY(add_items(job));
  DD_TRY(context_.rate_limit.take((job.new_chunks.size() + job.old_chunks.size()) * chunk_bytes_,
                                  context_.interruption));
  return !job.items.empty();
}

bool CreateReader::is_full(const CreateJob& job) const {
  return std::max(job.new_chunks.size(), job.old_chunks.size()) >= job_chunks_ ||
         job.items.size() >= 2 * job_chunks_;
}

Status CreateReader::add_items(CreateJob& job) {
  const std::uint64_t volume_end = header_.to_geometry().chunk_count();
  while (!is_full(job)) {
    ChunkRange rest = cursor_.rest_of_range();
    // The list's end; or what a shrink cut off, which needs no content.
    if (rest.count == 0 || rest.first.value >= volume_end) return {};
    if (rest.first.value >= told_until_) DD_TRY(look_ahead());
    rest.count = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(rest.count, volume_end - rest.first.value));
    const HoleMap::Stretch stretch = DD_TRY(holes_.begin_of(rest));
    if (stretch.is_hole) {
      add_hole(job, {rest.first, stretch.count});
    } else {
      for (std::uint32_t i = 0; i < stretch.count && !is_full(job); ++i) add_chunk(job, false);
    }
  }
  return {};
}

// A snapshot finds out with one question where thousands of chunks are. Of a full list the hole map
// asks for all.
Status CreateReader::look_ahead() {
  std::vector<ByteRange> new_ranges, old_ranges;
  ChangelistCursor ahead = cursor_;
  std::uint32_t chunks = 0;
  while (chunks < kLookAheadChunks && new_ranges.size() < kMaxRangesPerMessage) {
    const ChunkRange rest = ahead.rest_of_range();
    if (rest.count == 0) break;
    const ChunkRange told{rest.first, std::min(rest.count, kLookAheadChunks - chunks)};
    const auto clipped = [&told](const ChunkGeometry& geometry) {
      const std::uint64_t begin = std::min(geometry.offset_of(told.first), geometry.volume_bytes);
      const std::uint64_t end = std::min(told.end() << geometry.chunk_shift, geometry.volume_bytes);
      return ByteRange{begin, end - begin};
    };
    new_ranges.push_back(clipped(header_.to_geometry()));
    old_ranges.push_back(clipped(header_.from_geometry()));
    chunks += told.count;
    told_until_ = told.end();
    ahead.skip(told.count);
  }
  if (header_.is_full()) return {};
  DD_TRY(to_.device().will_read(new_ranges));
  if (from_) DD_TRY(from_->device().will_read(old_ranges));
  return {};
}

// As one item, where nothing older is known of any chunk; else chunk by chunk.
void CreateReader::add_hole(CreateJob& job, ChunkRange chunks) {
  const std::uint64_t chunk_bytes = chunk_bytes_;
  const std::uint64_t first_new = (header_.common_bytes() + chunk_bytes - 1) / chunk_bytes;
  const bool is_new = chunks.first.value >= first_new;
  if (!is_new)
    chunks.count = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(chunks.count, first_new - chunks.first.value));
  if (!knows_hashes_ && (is_new || !from_)) {
    job.items.push_back({.first = chunks.first, .count = chunks.count, .is_hole = true});
    cursor_.skip(chunks.count);
    return;
  }
  for (std::uint32_t i = 0; i < chunks.count && !is_full(job); ++i) add_chunk(job, true);
}

void CreateReader::add_chunk(CreateJob& job, bool is_hole) {
  const auto listed = cursor_.next();
  CreateItem item{.first = listed->chunk, .is_hole = is_hole};
  // A chunk that a shrink cuts hashes to something else without its end (D6).
  const bool is_cut = header_.from_bytes > header_.to_bytes && header_.is_boundary(item.first);
  if (is_reverse_) {
    item.after = listed->before;
  } else if (!is_cut) {
    item.before = listed->before;
  }
  item.has_old = from_ && !header_.is_new(item.first);
  if (!is_hole) job.new_chunks.push_back(item.first);
  if (item.has_old) job.old_chunks.push_back(item.first);
  job.items.push_back(item);
}

Status CreateReader::read(CreateJob& job) {
  const std::size_t job_bytes = job_chunks_ * chunk_bytes_;
  if (job.payload == nullptr) {
    job.new_bytes = AlignedBuffer(job_bytes);
    job.payload = std::make_unique_for_overwrite<std::byte[]>(job_bytes);
    if (from_) job.old_bytes = AlignedBuffer(job_bytes);
  }
  DD_TRY(to_.read(job.new_chunks, job.new_bytes.span()));
  if (from_) DD_TRY(from_->read(job.old_chunks, job.old_bytes.span()));
  return {};
}

}  // namespace ddsnap
