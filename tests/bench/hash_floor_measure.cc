// hash_floor_measure FILE: nanoseconds a byte, of one processor, that no create-delta --codec none
// can do without: FILE is read by 256 KiB, and each piece is hashed while it is in the cache, not
// at all, by chunk, by chunk and frame, by chunk, frame and stream. A line of four numbers; the
// best of five rounds. Run by delta_create_bench.py.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/base/unique_fd.h"
#include "ddsnap/delta/stream_hash.h"

namespace ddsnap {
namespace {

double processor_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double ns_a_byte(int fd, int hashes) {
  constexpr std::size_t kChunkBytes = std::size_t{1} << kDefaultChunkShift;
  AlignedBuffer buffer(kFrameDataBytes);
  StreamHash frame, stream;
  std::uint64_t sum = 0;
  double total_bytes = 0;
  ::lseek(fd, 0, SEEK_SET);
  const double start = processor_ns();
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) break;
    const auto bytes =
        std::span<const std::byte>(buffer.span()).first(static_cast<std::size_t>(got));
    total_bytes += static_cast<double>(got);
    for (std::size_t at = 0; hashes > 0 && at + kChunkBytes <= bytes.size(); at += kChunkBytes)
      sum += hash_chunk(bytes.subspan(at, kChunkBytes)).value;
    if (hashes > 1) {
      frame.reset();
      frame.update(bytes);
      sum += std::to_integer<std::uint64_t>(frame.digest().bytes[0]);
    }
    if (hashes > 2) stream.update(bytes);
  }
  sum += std::to_integer<std::uint64_t>(stream.digest().bytes[0]);
  const double spent = processor_ns() - start;
  return sum == 0 || total_bytes == 0 ? 0 : spent / total_bytes;  // so that no hash is left out
}

int run(const char* path) {
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return 1;
  for (int hashes = 0; hashes <= 3; ++hashes) {
    double best = 1e9;
    for (int round = 0; round < 5; ++round) best = std::min(best, ns_a_byte(fd.get(), hashes));
    fmt::print("{:.4f} ", best);
  }
  fmt::print("\n");
  return 0;
}

}  // namespace
}  // namespace ddsnap

int main(int argc, char** argv) {
  return argc == 2 ? ddsnap::run(argv[1]) : 2;
}
