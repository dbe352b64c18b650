// Writes numbered blocks to a device, one after another, each acknowledged before the next; and
// checks that what a device holds is exactly what the first k of those writes leave behind, for
// some k. So a snapshot taken in between is proven to be one instant in the order of acknowledged
// writes.
//
//   devspam write DEVICE FIRST-BLOCK BLOCKS SEED [WRITES]     until killed, or WRITES are done
//   devspam check DEVICE FIRST-BLOCK BLOCKS SEED              prints k; exit 1 with the block that
//   is wrong
//
// Units     Blocks of 4096 bytes. Requires: the blocks were zero before.
// Shape     Write n goes to a block that n and the seed determine; every word of it is made of n,
// the block and
//           the seed. O_DIRECT throughout.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kBlockBytes = 4096;
constexpr std::uint64_t kPieceBlocks = 128;  // read at once
constexpr std::size_t kWords = kBlockBytes / sizeof(std::uint64_t);

struct Spam {
  int fd;
  std::uint64_t first, blocks, seed;
};

std::uint64_t mix(std::uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::uint64_t block_of(const Spam& spam, std::uint64_t n) {
  return mix(n ^ mix(spam.seed)) % spam.blocks;
}

void fill(const Spam& spam, std::uint64_t n, std::uint64_t* words) {
  words[0] = n;
  for (std::size_t i = 1; i < kWords; ++i) words[i] = n == 0 ? 0 : mix(n * kWords + i) ^ spam.seed;
}

off_t offset_of(const Spam& spam, std::uint64_t block) {
  return static_cast<off_t>((spam.first + block) * kBlockBytes);
}

int write_blocks(const Spam& spam, std::uint64_t* buffer, std::uint64_t writes) {
  for (std::uint64_t n = 1; n <= writes; ++n) {
    fill(spam, n, buffer);
    if (::pwrite(spam.fd, buffer, kBlockBytes, offset_of(spam, block_of(spam, n))) != kBlockBytes) {
      std::perror("devspam: write");
      return 1;
    }
  }
  return 0;
}

int check_blocks(const Spam& spam, std::uint64_t* piece) {
  std::vector<std::uint64_t> found(spam.blocks), wanted(spam.blocks), expected(kWords);
  std::uint64_t last = 0;
  for (std::uint64_t block = 0; block < spam.blocks; ++block) {
    const std::uint64_t in_piece = block % kPieceBlocks;
    const std::uint64_t blocks = std::min(kPieceBlocks, spam.blocks - block);
    const auto bytes = static_cast<ssize_t>(blocks * kBlockBytes);
    if (in_piece == 0 && ::pread(spam.fd, piece, bytes, offset_of(spam, block)) != bytes) {
      std::perror("devspam: read");
      return 1;
    }
    const std::uint64_t* buffer = piece + in_piece * kWords;
    found[block] = buffer[0];
    fill(spam, buffer[0], expected.data());
    if (std::memcmp(buffer, expected.data(), kBlockBytes) != 0) {
      std::printf("block %ju is torn, or foreign\n", static_cast<std::uintmax_t>(block));
      return 1;
    }
    last = std::max(last, found[block]);
  }
  for (std::uint64_t n = 1; n <= last; ++n) wanted[block_of(spam, n)] = n;
  for (std::uint64_t block = 0; block < spam.blocks; ++block) {
    if (found[block] == wanted[block]) continue;
    std::printf("block %ju holds write %ju, but write %ju is there and so must be %ju\n",
                static_cast<std::uintmax_t>(block), static_cast<std::uintmax_t>(found[block]),
                static_cast<std::uintmax_t>(last), static_cast<std::uintmax_t>(wanted[block]));
    return 1;
  }
  std::printf("%ju\n", static_cast<std::uintmax_t>(last));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (argc < 6 || argc > 7 || (verb != "write" && verb != "check")) {
    std::fprintf(stderr, "usage: devspam write|check DEVICE FIRST-BLOCK BLOCKS SEED [WRITES]\n");
    return 2;
  }
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 0); };
  const Spam spam{::open(argv[2], (verb == "write" ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC),
                  number(3), number(4), number(5)};
  if (spam.fd < 0 || spam.blocks == 0) {
    std::perror(argv[2]);
    return 2;
  }
  auto* buffer =
      static_cast<std::uint64_t*>(std::aligned_alloc(kBlockBytes, kPieceBlocks * kBlockBytes));
  return verb == "write" ? write_blocks(spam, buffer, argc == 7 ? number(6) : UINT64_MAX)
                         : check_blocks(spam, buffer);
}
