#include "ddsnap/io/file_extents.h"

#include <unistd.h>

#include <cerrno>

#include "ddsnap/io/extent_list.h"

namespace ddsnap {

namespace {

// Where the next data (or hole) from `from_bytes` on begins; `end_bytes` when there is none.
Result<std::uint64_t> seek(const IoFile& file, int whence, std::uint64_t from_bytes,
                           std::uint64_t end_bytes) {
  const off_t found = ::lseek(file.fd, static_cast<off_t>(from_bytes), whence);
  if (found >= 0) return static_cast<std::uint64_t>(found);
  if (errno == ENXIO) return end_bytes;
  return fail_errno("cannot look for holes in", file.name);
}

}  // namespace

Result<std::vector<Extent>> file_extents(const IoFile& file, ByteRange range,
                                         std::uint32_t block_bytes) {
  ExtentList list(range);
  const std::uint64_t end = range.end_bytes();
  while (!list.is_complete()) {
    const std::uint64_t data = DD_TRY(seek(file, SEEK_DATA, list.at_bytes(), end));
    list.extend_to(data >= end ? end : round_down(data, block_bytes), Extent::Kind::kZero);
    if (list.is_complete()) break;
    const std::uint64_t hole = DD_TRY(seek(file, SEEK_HOLE, data, end));
    list.extend_to(round_up(hole, block_bytes), Extent::Kind::kData);
  }
  return std::move(list).take();
}

}  // namespace ddsnap
