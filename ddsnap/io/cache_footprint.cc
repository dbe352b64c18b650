#include "ddsnap/io/cache_footprint.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace ddsnap {

namespace {

std::uint64_t page_bytes() {
  static const auto bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

// cachestat(2), of Linux 6.5: its number and structs are in no header of Debian 12.
#if !defined(SYS_cachestat) && !defined(__alpha__)
#define SYS_cachestat 451
#endif
struct CacheRange {
  std::uint64_t offset_bytes;
  std::uint64_t length_bytes;
};
struct CacheCounts {
  std::uint64_t cached, dirty, in_writeback, evicted, recently_evicted;  // pages
};

}  // namespace

std::unique_ptr<CacheFootprint> CacheFootprint::of(int fd, std::uint64_t size_bytes) {
  if (size_bytes == 0) return nullptr;
  void* const map = ::mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (map == MAP_FAILED) return nullptr;
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  return std::unique_ptr<CacheFootprint>(
      new CacheFootprint(fd, static_cast<std::byte*>(map), size_bytes));
}

CacheFootprint::~CacheFootprint() {
  ::munmap(map_, size_bytes_);
}

bool CacheFootprint::has_all(std::span<const IoRequest> batch) const {
  return std::ranges::all_of(batch, [this](const IoRequest& request) {
    if (request.length_bytes == 0) return true;
    const std::uint64_t begin = round_down(request.offset_bytes, page_bytes());
    const std::uint64_t end = round_up(request.offset_bytes + request.length_bytes, page_bytes());
    CacheRange range{begin, end - begin};
    CacheCounts counts{};
    return request.kind == IoRequest::Kind::kRead &&
           ::syscall(SYS_cachestat, fd_, &range, &counts, 0) == 0 &&
           counts.cached >= range.length_bytes / page_bytes();
  });
}

std::vector<ByteRange> CacheFootprint::absent(std::span<const IoRequest> batch) const {
  std::vector<ByteRange> ranges;
  std::vector<unsigned char> is_there;
  for (const IoRequest& request : batch) {
    if (request.kind != IoRequest::Kind::kRead || request.length_bytes == 0) continue;
    const std::uint64_t begin = round_down(request.offset_bytes, page_bytes());
    const std::uint64_t end = std::min(request.offset_bytes + request.length_bytes, size_bytes_);
    if (begin >= end) continue;  // the file has grown since
    is_there.resize((end - begin + page_bytes() - 1) / page_bytes());
    if (::mincore(map_ + begin, end - begin, is_there.data()) != 0) continue;
    for (std::size_t i = 0; i < is_there.size(); ++i) {
      if ((is_there[i] & 1) != 0) continue;
      const std::uint64_t page = begin + i * page_bytes();
      if (!ranges.empty() && ranges.back().end_bytes() == page)
        ranges.back().length_bytes += page_bytes();
      else
        ranges.push_back({page, page_bytes()});
    }
  }
  return ranges;
}

void CacheFootprint::drop(std::span<const ByteRange> ranges) const {
  for (const ByteRange& range : ranges)
    ::posix_fadvise(fd_, static_cast<off_t>(range.offset_bytes),
                    static_cast<off_t>(range.length_bytes), POSIX_FADV_DONTNEED);
}

}  // namespace ddsnap
