// Shows the files and pipes that lists and deltas go through: a file appears complete or not at
// all, a pipe is known to be one, and the record of a target is found where the environment says.
#include "ddsnap/delta/byte_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "ddsnap/base/unique_fd.h"
#include "ddsnap/delta/apply_state.h"
#include "tests/support/delta_world.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::span<const std::byte> bytes_in(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(ByteStream, FileAppearsCompleteOrNotAtAll) {
  const TempDir dir;
  const std::string path = dir.file("delta");
  std::ofstream(path) << "old";
  {
    auto sink = open_sink(path);
    ASSERT_OK(sink);
    ASSERT_OK((*sink)->write(bytes_in("half of ")));
  }
  EXPECT_EQ(text_of(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  {
    auto sink = open_sink(path);
    ASSERT_OK(sink);
    ASSERT_OK((*sink)->write(bytes_in("all of ")));
    ASSERT_OK((*sink)->write(bytes_in("it")));
    ASSERT_OK((*sink)->finish());
  }
  EXPECT_EQ(text_of(path), "all of it");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  EXPECT_FALSE(open_sink(dir.file("no/such/folder")));
}

TEST(ByteStream, FileIsReadTwice) {
  const TempDir dir;
  std::ofstream(dir.file("a")) << "abc";
  auto source = open_source(dir.file("a"));
  ASSERT_OK(source);
  EXPECT_TRUE((*source)->can_rewind());
  for (int i = 0; i < 2; ++i) {
    std::byte two[2];
    ASSERT_OK(read_fully(**source, two));
    EXPECT_FALSE(expect_end(**source));
    ASSERT_OK((*source)->rewind());
  }
  std::byte four[4];
  EXPECT_EQ(read_fully(**source, four).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(open_source(dir.file("b")).error().code, ErrorCode::kNotFound);
}

TEST(ByteStream, PipeIsReadOnce) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  const UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);
  auto source = open_source("/dev/fd/" + std::to_string(read_end.get()));
  ASSERT_OK(source);
  EXPECT_FALSE((*source)->can_rewind());
  EXPECT_FALSE((*source)->rewind());
  {
    auto sink = open_sink("/dev/fd/" + std::to_string(write_end.get()));
    ASSERT_OK(sink);
    ASSERT_OK((*sink)->write(bytes_in("abc")));
    ASSERT_OK((*sink)->finish());
  }
  write_end.reset();
  std::byte three[3];
  ASSERT_OK(read_fully(**source, three));
  EXPECT_TRUE(expect_end(**source));
}

TEST(ByteStream, AnnouncedLengthsTakeNoMemory) {
  const Bytes few(100);
  MemorySource source(few);
  EXPECT_EQ(read_section(source, 1ull << 60).error().code, ErrorCode::kDamaged);
}

TEST(ApplyStateFolder, IsWhereTheEnvironmentSays) {
  ASSERT_EQ(::setenv("DDSNAP_STATE_DIR", "/somewhere/else", 1), 0);
  EXPECT_EQ(*default_state_folder(), "/somewhere/else");
  ASSERT_EQ(::unsetenv("DDSNAP_STATE_DIR"), 0);
  const auto folder = default_state_folder();
  if (::geteuid() == 0) {
    EXPECT_EQ(folder.value_or(""), "/var/lib/ddsnap/apply");
  }
}

}  // namespace
}  // namespace ddsnap::test
