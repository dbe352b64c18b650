#include "ddsnap/delta/device_scan.h"

#include <algorithm>
#include <cstring>
#include <future>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/ordered_pipeline.h"
#include "ddsnap/base/turn_pipeline.h"
#include "ddsnap/io/file_device.h"

namespace ddsnap {

namespace {

// What is likely to be in memory already: then it is the copying that takes the time.
bool is_cached_file(const BlockDevice& device) {
  const auto* const file = dynamic_cast<const FileDevice*>(&device);
  return file != nullptr && !file->is_direct() && !file->is_block_device();
}

ByteRange bytes_in(const ChunkGeometry& geometry, ChunkRange chunks) {
  const std::uint64_t start =
      std::min(std::uint64_t{chunks.first.value} << geometry.chunk_shift, geometry.volume_bytes);
  const std::uint64_t end = std::min(chunks.end() << geometry.chunk_shift, geometry.volume_bytes);
  return {start, end - start};
}

// Whether the chunk is in one of the ranges, and up to which chunk that stays so.
struct Place {
  bool is_inside;
  std::uint64_t end;
};
Place place_in(const std::vector<ChunkRange>& ranges, std::uint64_t chunk, std::uint64_t limit) {
  const auto after = std::upper_bound(
      ranges.begin(), ranges.end(), chunk,
      [](std::uint64_t wanted, const ChunkRange& range) { return wanted < range.first.value; });
  if (after != ranges.begin() && std::prev(after)->end() > chunk)
    return {true, std::min(limit, std::prev(after)->end())};
  return {false,
          after == ranges.end() ? limit : std::min<std::uint64_t>(limit, after->first.value)};
}

// The bytes, padded to a chunk.
template <class Hash>
auto of_whole_chunk(std::span<const std::byte> bytes, std::size_t chunk_bytes, Hash hash) {
  if (bytes.size() == chunk_bytes) return hash(bytes);
  std::vector<std::byte> padded(chunk_bytes);
  std::copy(bytes.begin(), bytes.end(), padded.begin());
  return hash(std::span<const std::byte>(padded));
}

}  // namespace

std::span<const std::byte> ScanPiece::bytes_of(const Side& side, std::uint32_t index) const {
  const std::size_t start = std::min(std::size_t{index} << chunk_shift, side.bytes.size());
  const std::size_t length = std::min(std::size_t{1} << chunk_shift, side.bytes.size() - start);
  return side.bytes.subspan(start, length);
}

std::size_t ScanPiece::weight_bytes() const {
  std::size_t bytes = sizeof(ScanPiece);
  for (const Side& side : sides) bytes += side.buffer.size();
  return bytes;
}

DeviceScan::DeviceScan(std::span<BlockDevice* const> devices, unsigned chunk_shift,
                       WorkContext& context)
    : chunk_shift_(chunk_shift), context_(context) {
  for (BlockDevice* const device : devices) {
    sources_.push_back(
        {.device = *device, .geometry = {chunk_shift, device->size_bytes()}, .zeros = {}});
    chunk_count_ = std::max(chunk_count_, sources_.back().geometry.chunk_count());
    is_in_turns_ = is_in_turns_ && is_cached_file(*device);
  }
  piece_bytes_ = is_in_turns_ ? kReadPieceBytes / sources_.size() : kScanPieceBytes;
}

Status DeviceScan::run(const Stages& stages) {
  return is_in_turns_ ? run_in_turns(stages) : run_ahead(stages);
}

Status DeviceScan::run_in_turns(const Stages& stages) {
  const TurnPipeline<ScanPiece>::Stages pipeline_stages{
      .produce = [this](ScanPiece& piece) { return next_piece(piece); },
      .work = [&](ScanPiece& piece, unsigned) -> Status {
        DD_TRY(read(piece));
        return stages.work(piece);
      },
      .consume = [&](ScanPiece& piece) { return consume(stages, piece); }};
  // A second thread reads while the first one waits for a disk.
  const unsigned workers = context_.workers == 0 ? 1 : std::max(context_.workers, 2u);
  return TurnPipeline<ScanPiece>(workers, context_.interruption, pipeline_stages).run();
}

Status DeviceScan::run_ahead(const Stages& stages) {
  OrderedPipeline<ScanPiece>::Stages pipeline_stages{
      .produce = [this](ScanPiece& piece) -> Result<bool> {
        if (!DD_TRY(next_piece(piece))) return false;
        DD_TRY(read_side_by_side(piece));
        return true;
      },
      .work = [&](ScanPiece& piece, unsigned) { return stages.work(piece); },
      .consume = [&](ScanPiece& piece) { return consume(stages, piece); },
  };
  OrderedPipeline<ScanPiece> pipeline(
      {.workers = context_.workers, .memory_bytes = context_.memory_bytes}, context_.interruption,
      pipeline_stages);
  return pipeline.run();
}

Status DeviceScan::consume(const Stages& stages, ScanPiece& piece) {
  DD_TRY(stages.consume(piece));
  context_.report({.chunks_done = piece.chunks.end(),
                   .chunks_total = chunk_count_,
                   .chunk_bytes = std::uint64_t{1} << chunk_shift_,
                   .address_bytes = piece.chunks.end() << chunk_shift_});
  return {};
}

// Up to where every side keeps its kind, and no more than is read at once.
Result<bool> DeviceScan::next_piece(ScanPiece& piece) {
  if (next_chunk_ == chunk_count_) return false;
  if (next_chunk_ == region_.end()) DD_TRY(enter_region());
  piece.chunk_shift = chunk_shift_;
  piece.sides.resize(sources_.size());
  std::uint64_t end = region_.end();
  bool is_read = false;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Place place = place_in(sources_[i].zeros, next_chunk_, end);
    piece.sides[i].is_zero = place.is_inside;
    piece.sides[i].bytes = {};
    is_read |= !place.is_inside;
    end = place.end;
  }
  if (is_read)
    end = std::min(end, next_chunk_ + std::max<std::uint64_t>(1, piece_bytes_ >> chunk_shift_));
  piece.chunks = {{static_cast<std::uint32_t>(next_chunk_)},
                  static_cast<std::uint32_t>(end - next_chunk_)};
  piece.found.clear();
  piece.hashes.clear();
  piece.digests.clear();
  next_chunk_ = end;
  std::uint64_t read_bytes = 0;
  for (std::size_t i = 0; i < sources_.size(); ++i)
    if (!piece.sides[i].is_zero)
      read_bytes += bytes_in(sources_[i].geometry, piece.chunks).length_bytes;
  DD_TRY(context_.rate_limit.take(read_bytes, context_.interruption));
  return true;
}

Status DeviceScan::enter_region() {
  const std::uint64_t count =
      std::min(kScanRegionBytes >> chunk_shift_, chunk_count_ - next_chunk_);
  region_ = {{static_cast<std::uint32_t>(next_chunk_)}, static_cast<std::uint32_t>(count)};
  for (Source& source : sources_) source.zeros = DD_TRY(zero_chunks(source));
  return {};
}

Result<std::vector<ChunkRange>> DeviceScan::zero_chunks(const Source& source) const {
  const ByteRange range = bytes_in(source.geometry, region_);
  std::vector<ChunkRange> zeros;
  if (range.length_bytes == 0) return zeros;
  const std::uint64_t chunk_bytes = source.geometry.chunk_bytes();
  std::uint64_t start_bytes = 0;
  std::uint64_t end_bytes = 0;  // of the zeros so far; extents that touch are one
  const auto close = [&] {
    // The end of the device is the end of its last chunk.
    const std::uint64_t end = end_bytes == source.geometry.volume_bytes
                                  ? source.geometry.chunk_count()
                                  : end_bytes >> chunk_shift_;
    const std::uint64_t first = round_up(start_bytes, chunk_bytes) >> chunk_shift_;
    if (first < end)
      zeros.push_back(
          {{static_cast<std::uint32_t>(first)}, static_cast<std::uint32_t>(end - first)});
  };
  for (const Extent& extent : DD_TRY(source.device.extents(range))) {
    if (extent.kind != Extent::Kind::kZero) continue;
    if (extent.range.offset_bytes != end_bytes || start_bytes == end_bytes) {
      close();
      start_bytes = extent.range.offset_bytes;
    }
    end_bytes = extent.range.end_bytes();
  }
  close();
  return zeros;
}

Status DeviceScan::read(ScanPiece& piece) {
  for (std::size_t i = 0; i < sources_.size(); ++i)
    if (!piece.sides[i].is_zero) DD_TRY(read_side(sources_[i], piece.chunks, piece.sides[i]));
  return {};
}

// One thread for each device.
Status DeviceScan::read_side_by_side(ScanPiece& piece) {
  std::future<Status> second;
  for (std::size_t i = sources_.size(); i-- > 0;) {
    if (piece.sides[i].is_zero) continue;
    const auto task = [&piece, this, i] {
      return read_side(sources_[i], piece.chunks, piece.sides[i]);
    };
    if (i > 0) {
      second = std::async(std::launch::async, task);
      continue;
    }
    const Status first = task();
    if (second.valid()) DD_TRY(second.get());
    return first;
  }
  return second.valid() ? second.get() : Status{};
}

Status DeviceScan::read_side(Source& source, ChunkRange chunks, ScanPiece::Side& side) {
  const ByteRange range = bytes_in(source.geometry, chunks);
  if (side.buffer.size() < range.length_bytes)
    side.buffer = AlignedBuffer::for_overwrite(range.length_bytes);
  const auto bytes = side.buffer.span().first(range.length_bytes);
  std::vector<IoRequest> batch;
  for (std::size_t at = 0; at < bytes.size(); at += kReadPieceBytes)
    batch.push_back(IoRequest::read(
        range.offset_bytes + at, bytes.subspan(at, std::min(kReadPieceBytes, bytes.size() - at))));
  if (!batch.empty()) DD_TRY(source.device.run(batch));
  side.bytes = bytes;
  return {};
}

ChunkHash hash_padded(std::span<const std::byte> bytes, std::size_t chunk_bytes) {
  return of_whole_chunk(bytes, chunk_bytes, [](auto chunk) { return hash_chunk(chunk); });
}

Hash128 digest_padded(std::span<const std::byte> bytes, std::size_t chunk_bytes) {
  return of_whole_chunk(bytes, chunk_bytes, [](auto chunk) { return hash128_of(chunk); });
}

void digest_piece(ScanPiece& piece) {
  const ScanPiece::Side& side = piece.sides.front();
  if (side.is_zero) return;
  const std::size_t chunk_bytes = std::size_t{1} << piece.chunk_shift;
  piece.digests.reserve(piece.chunks.count);
  for (std::uint32_t i = 0; i < piece.chunks.count; ++i)
    piece.digests.push_back(digest_padded(piece.bytes_of(side, i), chunk_bytes));
}

}  // namespace ddsnap
