// Shows that UniqueFd closes exactly once, whatever it is moved through, and that AlignedBuffer is
// aligned, zeroed and of the size asked for.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {
namespace {

UniqueFd open_null() {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFd, ClosesAtTheEndOfItsLife) {
  int number = -1;
  {
    const UniqueFd fd = open_null();
    number = fd.get();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, MovingHandsOverAndClosesWhatWasThere) {
  UniqueFd first = open_null();
  UniqueFd second = open_null();
  const int first_number = first.get();
  const int second_number = second.get();
  second = std::move(first);
  EXPECT_EQ(second.get(), first_number);
  EXPECT_FALSE(is_open(second_number));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): the moved-from state is promised
  second = std::move(*&second);  // to itself changes nothing
  EXPECT_TRUE(is_open(second.get()));
}

TEST(UniqueFd, ReleaseGivesItAway) {
  UniqueFd fd = open_null();
  const UniqueFd taker(fd.release());
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(taker.get()));
}

TEST(AlignedBuffer, IsAlignedZeroedAndOfItsSize) {
  for (const std::size_t size_bytes : {0, 1, 511, 4096, 100000}) {
    AlignedBuffer buffer(size_bytes);
    EXPECT_EQ(buffer.size(), size_bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % AlignedBuffer::kAlignmentBytes, 0u);
    EXPECT_TRUE(is_all_zero(buffer.span()));
  }
}

}  // namespace
}  // namespace ddsnap
