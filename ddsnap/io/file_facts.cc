#include "ddsnap/io/file_facts.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>

namespace ddsnap {

namespace {

constexpr std::uint32_t kSectorBytes = 512;
constexpr std::uint32_t kPageBytes = 4096;

Status inspect_block_device(int fd, const std::string& name, FileFacts& facts) {
  int logical_bytes = 0;
  unsigned physical_bytes = 0;
  if (::ioctl(fd, BLKGETSIZE64, &facts.geometry.size_bytes) != 0 ||
      ::ioctl(fd, BLKSSZGET, &logical_bytes) != 0 || ::ioctl(fd, BLKPBSZGET, &physical_bytes) != 0)
    return fail_errno("cannot ask for the size of", name);
  facts.geometry.block_bytes = static_cast<std::uint32_t>(logical_bytes);
  facts.geometry.physical_bytes = std::max(physical_bytes, facts.geometry.block_bytes);
  return {};
}

// Since Linux 6.1 (block devices 6.11) statx tells the alignment that direct I/O wants. Before, the
// logical block of a device and a page for a file are always enough.
Status apply_direct_alignment(int fd, const std::string& name, FileFacts& facts) {
  if (!facts.is_block_device) facts.geometry.block_bytes = kPageBytes;
  facts.memory_alignment_bytes = facts.geometry.block_bytes;
#ifdef STATX_DIOALIGN
  struct statx told{};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &told) != 0) return {};
  if ((told.stx_mask & STATX_DIOALIGN) == 0) return {};
  if (told.stx_dio_offset_align == 0)
    return fail(ErrorCode::kUsage, name + " does not support direct I/O");
  // Never below the sector, whatever the device could do: sizes and formats are counted in them.
  if (!facts.is_block_device)
    facts.geometry.block_bytes = std::max(told.stx_dio_offset_align, kSectorBytes);
  facts.memory_alignment_bytes = std::max(told.stx_dio_mem_align, 1u);
#endif
  DD_CHECK(std::has_single_bit(facts.geometry.block_bytes));
  return {};
}

}  // namespace

Result<FileFacts> inspect_file(int fd, const std::string& name, bool is_direct) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_errno("cannot inspect", name);
  FileFacts facts;
  facts.is_block_device = S_ISBLK(status.st_mode);
  if (facts.is_block_device) {
    DD_TRY(inspect_block_device(fd, name, facts));
  } else if (S_ISREG(status.st_mode)) {
    facts.geometry = {.size_bytes = static_cast<std::uint64_t>(status.st_size),
                      .block_bytes = kSectorBytes,
                      .physical_bytes = kPageBytes};
    facts.is_sparse =
        static_cast<std::uint64_t>(status.st_blocks) * 512 < facts.geometry.size_bytes;
  } else {
    return fail(ErrorCode::kUsage, name + " is neither a file nor a block device");
  }
  if (is_direct) DD_TRY(apply_direct_alignment(fd, name, facts));
  facts.geometry.physical_bytes =
      std::max(facts.geometry.physical_bytes, facts.geometry.block_bytes);
  return facts;
}

}  // namespace ddsnap
