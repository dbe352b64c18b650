#include "ddsnap/delta/import_rbd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/base_device.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/frame_pipeline.h"
#include "ddsnap/delta/merge_rules.h"
#include "ddsnap/delta/rbd_chunks.h"

namespace ddsnap {

namespace {

// A name there is a tag or a uuid here, where it can be one.
void set_name(const std::optional<std::string>& name, Uuid& uuid, std::string& tag) {
  if (!name) return;
  if (const auto parsed = Uuid::parse(*name)) {
    uuid = *parsed;
  } else if (check_stored_tag(*name)) {
    tag = *name;
  }
}

Result<DeltaHeader> make_header(const RbdReader& reader, const BlockDevice* base,
                                const ImportOptions& options, RandomSource& random) {
  const RbdMetadata& metadata = reader.metadata();
  DeltaHeader header;
  header.delta_uuid = Uuid::make(random);
  set_name(metadata.from_snap, header.from_uuid, header.from_tag);
  set_name(metadata.to_snap, header.to_uuid, header.to_tag);
  header.to_bytes = metadata.size_bytes;
  if (metadata.from_snap)
    header.from_bytes =
        base != nullptr ? base->size_bytes() : options.from_bytes.value_or(header.to_bytes);
  header.created_ns = options.created_ns;
  header.chunk_shift = options.chunk_shift;
  header.frame_data_bytes = std::max(kFrameDataBytes, header.to_geometry().chunk_bytes());
  header.mode = base != nullptr ? DeltaMode::kBest : DeltaMode::kRaw;
  DD_TRY(check_volume(header.chunk_shift, header.from_bytes, header.to_bytes));
  if (base != nullptr) DD_TRY(check_base(*base, header));
  return header;
}

// One pass over the stream: every chunk that the delta must name, in order.
class Importer {
 public:
  struct Chunk {
    ChunkNr chunk;
    const RbdChunk* told;    // null: the stream does not speak of it
    bool needs_old = false;  // old content stands where the stream tells nothing
  };

  static Result<Importer> open(ByteSource& source, const DeltaHeader& header) {
    DD_TRY(source.rewind());
    return Importer(DD_TRY(RbdReader::open(source)), header);
  }
  Importer(Importer&& other) noexcept
      : header_(other.header_),
        reader_(std::move(other.reader_)),
        chunks_(reader_, header_.to_geometry()) {}

  Result<std::optional<Chunk>> next() {
    if (!is_loaded_) {
      present_ = DD_TRY(chunks_.next());
      done_in_present_ = 0;
      is_loaded_ = true;
    }
    const std::uint64_t end = present_ != nullptr
                                  ? std::uint64_t{present_->chunks.first.value} + done_in_present_
                                  : header_.to_geometry().chunk_count();
    next_ = std::max(next_, std::min(end, first_named_untold()));
    if (next_ < end) {
      const ChunkNr chunk{static_cast<std::uint32_t>(next_++)};
      return Chunk{chunk, nullptr, !header_.is_new(chunk)};
    }
    if (present_ == nullptr) return std::nullopt;
    const ChunkNr chunk{static_cast<std::uint32_t>(next_++)};
    const bool is_known = present_->is_whole(header_.to_geometry());
    if (++done_in_present_ == present_->chunks.count) is_loaded_ = false;
    return Chunk{chunk, present_, !is_known && !header_.is_new(chunk)};
  }

 private:
  Importer(RbdReader reader, const DeltaHeader& header)
      : header_(header), reader_(std::move(reader)), chunks_(reader_, header_.to_geometry()) {}

  // From here on every chunk is named, whether the stream speaks of it or not (D6).
  std::uint64_t first_named_untold() const {
    if (header_.from_bytes == header_.to_bytes) return kMaxChunks;
    return header_.common_bytes() >> header_.chunk_shift;
  }

  const DeltaHeader& header_;
  RbdReader reader_;
  RbdChunks chunks_;
  const RbdChunk* present_ = nullptr;
  bool is_loaded_ = false;
  std::uint32_t done_in_present_ = 0;
  std::uint64_t next_ = 0;
};

std::unexpected<Error> needs_base(const DeltaHeader& header, ChunkNr chunk) {
  return fail(ErrorCode::kUsage,
              fmt::format("the stream tells a part of the {} bytes from {} on: give a device that "
                          "holds snapshot '{}' with --base",
                          header.to_geometry().bytes_of(chunk).length_bytes,
                          header.to_geometry().offset_of(chunk), header.from_tag));
}

// The first pass.
Result<std::uint64_t> count_chunks(ByteSource& source, const DeltaHeader& header, bool has_base,
                                   const WorkContext& context) {
  Importer importer = DD_TRY(Importer::open(source, header));
  std::uint64_t count = 0;
  while (const auto chunk = DD_TRY(importer.next())) {
    if (count++ % 4096 == 0) DD_TRY(context.interruption.check());
    if (chunk->needs_old && !has_base) return needs_base(header, chunk->chunk);
  }
  return count;
}

// The second pass.
class FrameFiller {
 public:
  FrameFiller(Importer importer, const DeltaHeader& header, BlockDevice* base)
      : importer_(std::move(importer)), header_(header) {
    if (base != nullptr) base_.emplace(*base, header.from_geometry());
  }

  Result<bool> fill(FrameJob& job) {
    bool has_chunks = false;
    while (!job.builder->is_full()) {
      const auto chunk = DD_TRY(importer_.next());
      if (!chunk) break;
      DD_TRY(add(*chunk, job));
      has_chunks = true;
    }
    return has_chunks;
  }

 private:
  Status add(const Importer::Chunk& chunk, FrameJob& job) {
    const ChunkNr nr = chunk.chunk;
    FrameEntry entry{.first = nr};
    DD_TRY(read_old(nr));
    if (header_.is_new(nr)) entry.before_kind = BeforeKind::kNew;
    std::span<const std::byte> old_content;
    if (has_old_) {
      old_content = old_;
      entry.before_kind = BeforeKind::kKnown;
      entry.before = hash_chunk(old_);
    }
    const bool is_zero_there = chunk.told != nullptr ? chunk.told->is_zero : !chunk.needs_old;
    std::span<const std::byte> content;
    if (!is_zero_there) content = content_of(chunk);
    entry.content = is_zero_there || is_all_zero(content) ? ContentKind::kZero : ContentKind::kData;
    entry.after = entry.content == ContentKind::kZero ? zero_ : hash_chunk(content);
    if (is_same(entry, content)) entry.content = ContentKind::kSame;
    job.builder->add(entry, content, old_content);
    if (entry.content == ContentKind::kData) job.content_bytes += content.size() * 2;
    return {};
  }

  // By the bytes: equal hashes alone would let a collision through.
  bool is_same(const FrameEntry& entry, std::span<const std::byte> content) const {
    if (!has_old_ || header_.is_boundary(entry.first)) return false;
    if (entry.content == ContentKind::kZero) return is_all_zero(old_);
    return std::memcmp(content.data(), old_.data(), content.size()) == 0;
  }

  // What the chunk held, as far as both volumes reach (D6).
  Status read_old(ChunkNr chunk) {
    has_old_ = base_ && !header_.is_new(chunk);
    if (!has_old_) return {};
    old_.resize(chunk_bytes_);
    DD_TRY(base_->read(std::span(&chunk, 1), old_));
    const std::size_t own = bytes_below(header_.to_geometry(), chunk, header_.common_bytes());
    std::memset(old_.data() + own, 0, chunk_bytes_ - own);
    return {};
  }

  // Old content, where there is any, with the stream's over it.
  std::span<const std::byte> content_of(const Importer::Chunk& chunk) {
    content_.assign(chunk_bytes_, std::byte{0});
    if (has_old_ && chunk.needs_old) content_ = old_;
    if (chunk.told == nullptr) return content_;
    for (const ByteRange& range : chunk.told->known)
      std::memcpy(content_.data() + range.offset_bytes,
                  chunk.told->bytes.data() + range.offset_bytes, range.length_bytes);
    return content_;
  }

  Importer importer_;
  const DeltaHeader& header_;
  const std::size_t chunk_bytes_ = header_.to_geometry().chunk_bytes();
  const ChunkHash zero_ = hash_of_zero_chunk(header_.chunk_shift);
  std::optional<ChunkIo> base_;
  bool has_old_ = false;
  std::vector<std::byte> old_;
  std::vector<std::byte> content_;
};

}  // namespace

Result<CreateDeltaReport> import_rbd(ByteSource& source, BlockDevice* base,
                                     const ImportOptions& options, RandomSource& random,
                                     WorkContext& context, ByteSink& sink) {
  if (!source.can_rewind())
    return fail(ErrorCode::kUsage, source.name() + " is a pipe, and is needed twice");
  DeltaHeader header;
  {
    const RbdReader reader = DD_TRY(RbdReader::open(source));
    if (!reader.metadata().from_snap) base = nullptr;
    header = DD_TRY(make_header(reader, base, options, random));
  }
  header.chunk_count = DD_TRY(count_chunks(source, header, base != nullptr, context));
  FrameFiller filler(DD_TRY(Importer::open(source, header)), header, base);
  const DeltaTotals totals = DD_TRY(write_frames(
      header, options.codec, [&](FrameJob& job) { return filler.fill(job); }, context, sink));
  return CreateDeltaReport{header, totals};
}

}  // namespace ddsnap
