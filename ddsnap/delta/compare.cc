#include "ddsnap/delta/compare.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/chunk_io.h"

namespace ddsnap {

namespace {

Result<Uuid> uuid_of(const BlockDevice& device) {
  const std::string text = device.proven_snapshot_uuid();
  if (text.empty()) return Uuid{};
  return Uuid::parse(text);
}

// Adjacent chunks of one device, in memory.
class Window {
 public:
  Window(BlockDevice& device, ChunkGeometry geometry)
      : io_(device, geometry), buffer_(kReadPieceBytes) {}

  // Of chunks beyond the volume nothing is known afterwards.
  Status read(ChunkRange range) {
    const std::uint64_t end = std::min(range.end(), io_.geometry().chunk_count());
    std::vector<ChunkNr> chunks;
    for (std::uint64_t chunk = range.first.value; chunk < end; ++chunk)
      chunks.push_back({static_cast<std::uint32_t>(chunk)});
    return io_.read(chunks, buffer_);
  }
  std::span<const std::byte> chunk(std::size_t index) const {
    const std::size_t bytes = io_.geometry().chunk_bytes();
    return std::span(buffer_).subspan(index * bytes, bytes);
  }

 private:
  ChunkIo io_;
  std::vector<std::byte> buffer_;
};

bool are_equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::memcmp(a.data(), b.data(), a.size()) == 0;
}

// Adds what differs among the chunks of one window.
void append_differences(Changelist& list, ChunkRange range, const Window& old_window,
                        const Window& new_window) {
  const std::uint64_t old_chunks = list.from_geometry().chunk_count();
  const std::uint64_t first_of_tail = list.smaller_bytes() >> list.chunk_shift;
  const bool has_tail = list.from_bytes != list.to_bytes;
  for (std::uint32_t i = 0; i < range.count; ++i) {
    const ChunkNr chunk{range.first.value + i};
    const bool is_tail = has_tail && chunk.value >= first_of_tail;
    if (!is_tail && are_equal(old_window.chunk(i), new_window.chunk(i))) continue;
    std::optional<ChunkHash> before;
    if (chunk.value < old_chunks) before = hash_chunk(old_window.chunk(i));
    list.append(chunk, before);
  }
}

}  // namespace

Result<Changelist> compare_devices(BlockDevice& old_device, BlockDevice& new_device,
                                   unsigned chunk_shift) {
  Changelist list;
  list.from_bytes = old_device.size_bytes();
  list.to_bytes = new_device.size_bytes();
  list.chunk_shift = chunk_shift;
  DD_TRY(check_volume(chunk_shift, list.from_bytes, list.to_bytes));
  DD_TRY(check_holds_volume(old_device, list.from_geometry()));
  DD_TRY(check_holds_volume(new_device, list.to_geometry()));
  list.from_uuid = DD_TRY(uuid_of(old_device));
  list.to_uuid = DD_TRY(uuid_of(new_device));

  Window old_window(old_device, list.from_geometry());
  Window new_window(new_device, list.to_geometry());
  const std::uint64_t total =
      std::max(list.from_geometry().chunk_count(), list.to_geometry().chunk_count());
  const std::uint64_t piece_chunks = kReadPieceBytes >> chunk_shift;
  for (std::uint64_t first = 0; first < total; first += piece_chunks) {
    const ChunkRange range{{static_cast<std::uint32_t>(first)},
                           static_cast<std::uint32_t>(std::min(piece_chunks, total - first))};
    DD_TRY(old_window.read(range));
    DD_TRY(new_window.read(range));
    append_differences(list, range, old_window, new_window);
  }
  return list;
}

}  // namespace ddsnap
