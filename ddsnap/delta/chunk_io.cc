#include "ddsnap/delta/chunk_io.h"

#include <fmt/format.h>

#include <cstring>
#include <vector>

namespace ddsnap {

namespace {

struct Run {
  ByteRange bytes;           // of the volume
  std::size_t at_bytes = 0;  // of its first chunk among the chunks in memory
};

std::vector<Run> runs_of(const ChunkGeometry& geometry, std::span<const ChunkNr> chunks) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const ByteRange bytes = geometry.bytes_of(chunks[i]);
    if (!runs.empty() && runs.back().bytes.end_bytes() == bytes.offset_bytes) {
      runs.back().bytes.length_bytes += bytes.length_bytes;
    } else {
      runs.push_back({bytes, i * geometry.chunk_bytes()});
    }
  }
  return runs;
}

}  // namespace

Status ChunkIo::read(std::span<const ChunkNr> chunks, std::span<std::byte> into) {
  if (chunks.empty()) return {};
  std::vector<IoRequest> batch;
  plan_read(chunks, into, batch);
  DD_TRY(device_.run(batch));
  finish_read(chunks, into);
  return {};
}

void ChunkIo::plan_read(std::span<const ChunkNr> chunks, std::span<std::byte> into,
                        std::vector<IoRequest>& batch) {
  const std::uint64_t block_bytes = device_.geometry().block_bytes;
  for (const Run& run : runs_of(geometry_, chunks)) {
    const std::uint64_t end =
        std::min(round_up(run.bytes.end_bytes(), block_bytes), device_.size_bytes());
    batch.push_back(IoRequest::read(run.bytes.offset_bytes,
                                    into.subspan(run.at_bytes, end - run.bytes.offset_bytes)));
  }
}

void ChunkIo::finish_read(std::span<const ChunkNr> chunks, std::span<std::byte> into) {
  if (chunks.empty()) return;
  const std::uint64_t last_bytes = geometry_.bytes_of(chunks.back()).length_bytes;
  const std::size_t pad_from = (chunks.size() - 1) * geometry_.chunk_bytes() + last_bytes;
  std::memset(into.data() + pad_from, 0, geometry_.chunk_bytes() - last_bytes);
}

Status ChunkIo::write(std::span<const ChunkNr> chunks, std::span<const std::byte> from) {
  std::vector<IoRequest> batch;
  plan_write(chunks, from, batch);
  if (!batch.empty()) DD_TRY(device_.run(batch));
  return finish_write(chunks, from);
}

void ChunkIo::plan_write(std::span<const ChunkNr> chunks, std::span<const std::byte> from,
                         std::vector<IoRequest>& batch) {
  for (const Run& run : runs_of(geometry_, chunks)) {
    const std::uint64_t end = std::min(run.bytes.end_bytes(), own_blocks_end());
    if (end <= run.bytes.offset_bytes) continue;
    const std::uint64_t whole = end - run.bytes.offset_bytes;
    batch.push_back(IoRequest::write(run.bytes.offset_bytes, from.subspan(run.at_bytes, whole)));
  }
}

void ChunkIo::plan_write_part(ChunkNr chunk, std::size_t from_bytes,
                              std::span<const std::byte> from, std::vector<IoRequest>& batch) {
  const std::uint64_t offset = geometry_.offset_of(chunk) + from_bytes;
  const std::uint64_t end = std::min(offset + from.size(), own_blocks_end());
  if (end <= offset) return;
  const IoRequest part = IoRequest::write(offset, from.first(end - offset));
  if (!batch.empty()) {
    IoRequest& last = batch.back();
    if (last.kind == part.kind && last.offset_bytes + last.length_bytes == offset &&
        last.data + last.length_bytes == part.data) {
      last.length_bytes += part.length_bytes;
      return;
    }
  }
  batch.push_back(part);
}

Status ChunkIo::finish_write(std::span<const ChunkNr> chunks, std::span<const std::byte> from) {
  if (chunks.empty()) return {};
  const ByteRange last = geometry_.bytes_of(chunks.back());
  const std::uint64_t own_end = std::max(own_blocks_end(), last.offset_bytes);
  if (last.end_bytes() <= own_end) return {};
  const std::size_t at =
      (chunks.size() - 1) * geometry_.chunk_bytes() + (own_end - last.offset_bytes);
  return write_last_bytes(from.subspan(at, last.end_bytes() - own_end));
}

Status ChunkIo::zero(ChunkRange chunks) {
  const std::uint64_t start = geometry_.offset_of(chunks.first);
  const std::uint64_t end = std::min(chunks.end() << geometry_.chunk_shift, geometry_.volume_bytes);
  const std::uint64_t whole_end = std::max(start, std::min(end, own_blocks_end()));
  if (whole_end > start)
    for (const Extent& extent : DD_TRY(device_.extents({start, whole_end - start})))
      if (extent.kind != Extent::Kind::kZero) DD_TRY(device_.write_zeroes(extent.range));
  return write_last_bytes(std::vector<std::byte>(end - whole_end));
}

Status ChunkIo::write_last_bytes(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  const std::uint64_t offset = own_blocks_end();
  const std::uint64_t end = std::min(offset + device_.geometry().block_bytes, device_.size_bytes());
  std::vector<std::byte> block(end - offset);
  DD_TRY(device_.read_at(offset, block));
  std::memcpy(block.data(), bytes.data(), bytes.size());
  return device_.write_at(offset, block);
}

std::uint64_t ChunkIo::own_blocks_end() const {
  if (geometry_.volume_bytes == device_.size_bytes()) return geometry_.volume_bytes;
  return round_down(geometry_.volume_bytes, device_.geometry().block_bytes);
}

Status check_holds_volume(const BlockDevice& device, const ChunkGeometry& geometry) {
  if (device.size_bytes() < geometry.volume_bytes)
    return fail(ErrorCode::kUsage,
                fmt::format("{} has {} bytes, which is less than {}", device.name(),
                            device.size_bytes(), geometry.volume_bytes));
  if (device.geometry().block_bytes > geometry.chunk_bytes())
    return fail(ErrorCode::kUsage,
                fmt::format("{} has blocks of {} bytes, which is more than a chunk's {}",
                            device.name(), device.geometry().block_bytes, geometry.chunk_bytes()));
  return {};
}

}  // namespace ddsnap
