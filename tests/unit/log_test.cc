// The log: lines reach the file whole and in order, a forged line feed does not make a line, a full
// ring loses lines and counts them instead of waiting, reopen() follows a renamed file.
#include "ddsnap/base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "ddsnap/base/limits.h"

namespace ddsnap {
namespace {

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ddsnap-log-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    path_ = directory_ + "/log";
  }
  ~LogTest() override { std::filesystem::remove_all(directory_); }

  static std::vector<std::string> lines_of(const std::string& path) {
    std::vector<std::string> lines;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  std::string directory_;
  std::string path_;
};

TEST_F(LogTest, LinesArriveInOrderWithTheirLevel) {
  auto log = Logger::open(path_);
  ASSERT_TRUE(log);
  (*log)->info("one {}", 1);
  (*log)->error("two");
  (*log)->drain();
  const auto lines = lines_of(path_);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].ends_with(" info: one 1")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with(" ERROR: two")) << lines[1];
}

TEST_F(LogTest, LineFeedFromOutsideMakesNoLineAndLongLinesAreCut) {
  auto log = Logger::open(path_);
  (*log)->info("label a\nERROR: forged");
  (*log)->info("{}", std::string(10'000, 'x'));
  (*log)->drain();
  const auto lines = lines_of(path_);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_LT(lines[1].size(), kMaxLogLineBytes + 64);
}

TEST_F(LogTest, ReopenFollowsARenamedFile) {
  auto log = Logger::open(path_);
  (*log)->info("before");
  (*log)->drain();
  std::filesystem::rename(path_, path_ + ".1");
  EXPECT_TRUE((*log)->reopen());
  (*log)->info("after");
  (*log)->drain();
  EXPECT_EQ(lines_of(path_).size(), 1u);
  EXPECT_EQ(lines_of(path_ + ".1").size(), 1u);
}

TEST_F(LogTest, DestructionWritesWhatIsThere) {
  {
    (*Logger::open(path_))->info("last words");
  }
  EXPECT_EQ(lines_of(path_).size(), 1u);
}

TEST_F(LogTest, NobodyWaitsForAFileThatTakesNothing) {
  // A FIFO whose reader reads nothing: the drainer stops in write(), the ring fills, lines are
  // lost.
  ASSERT_EQ(::system(("mkfifo " + path_).c_str()), 0);
  const UniqueFd reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto log = Logger::open(path_);
  ASSERT_TRUE(log);
  const std::string text(kMaxLogLineBytes, 'y');
  while ((*log)->lost_lines() == 0) (*log)->info("{}", text);
  std::thread sink([&] {
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::read(reader.get(), buffer, sizeof buffer);
      if (n == 0) return;  // the writer has closed
    }
  });
  log->reset();
  sink.join();
}

TEST_F(LogTest, UnwritablePathIsAnError) {
  const auto log = Logger::open(directory_ + "/no/such/log");
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ddsnap
