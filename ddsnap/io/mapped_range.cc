#include "ddsnap/io/mapped_range.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "ddsnap/io/file_device.h"

namespace ddsnap {

bool MappedRange::is_possible(const BlockDevice& device) {
  const auto* const file = dynamic_cast<const FileDevice*>(&device);
  return file != nullptr && !file->is_direct() && !file->is_block_device();
}

std::optional<MappedRange> MappedRange::map(const BlockDevice& device, ByteRange range) {
  const int fd = dynamic_cast<const FileDevice&>(device).fd();
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t start = round_down(range.offset_bytes, page_bytes);
  const std::size_t mapped_bytes = range.end_bytes() - start;
  void* const memory =
      ::mmap(nullptr, mapped_bytes, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(start));
  if (memory == MAP_FAILED) return std::nullopt;
  const auto* const first = static_cast<const std::byte*>(memory) + (range.offset_bytes - start);
  MappedRange mapped(memory, mapped_bytes, {first, range.length_bytes});
  // EINVAL: a kernel before 5.14, where pages come one by one as they are read.
  if (::madvise(memory, mapped_bytes, MADV_POPULATE_READ) != 0 && errno != EINVAL)
    return std::nullopt;
  return mapped;
}

MappedRange::~MappedRange() {
  if (start_ != nullptr) ::munmap(start_, mapped_bytes_);
}

void end_on_bus_error() {
  struct sigaction action{};
  action.sa_handler = [](int) {
    constexpr char kText[] =
        "ddsnap: a file was cut short, or its disk failed, while it was read\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText, sizeof kText - 1);
    ::_exit(EXIT_FAILURE);
  };
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace ddsnap
