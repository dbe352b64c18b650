// What is told of progress: the texts, and the file as others read it.
#include "ddsnap/cli/progress_report.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/temp_dir.h"

namespace ddsnap {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

WorkProgress at(std::uint64_t done) {
  return {.chunks_done = done,
          .chunks_total = 65536,
          .chunk_bytes = 16384,
          .address_bytes = done * 3 * 16384};
}

TEST(ProgressReport, TheFileIsThatOfTheOriginal) {
  EXPECT_EQ(progress_file_text("7", at(10)), "7 10/65536 491520\n");
  EXPECT_EQ(progress_file_text("", at(0)), "- 0/65536 0\n");
}

TEST(ProgressReport, TheLineTellsBytesRateAndWhatIsLeft) {
  EXPECT_EQ(progress_line(at(0), 5), "0% of 1.00 GiB");
  EXPECT_EQ(progress_line(at(16384), 2'000'000'000), "25% of 1.00 GiB, 128 MiB/s, 0:06 left");
  EXPECT_EQ(progress_line(at(64), 10'000'000'000), "0% of 1.00 GiB, 102 KiB/s, 2:50:30 left");
  EXPECT_EQ(progress_line({}, 0), "100% of 0 B");
}

TEST(ProgressReport, WritesTheFirstAndTheLastAndFewBetween) {
  const test::TempDir dir;
  const std::string path = dir.file("progress");
  ProgressReport report("1", path);
  report.on_progress(at(1));
  EXPECT_EQ(content_of(path), "1 1/65536 49152\n");
  for (std::uint64_t done = 2; done < 100; ++done) report.on_progress(at(done));
  report.on_progress(at(65536));
  EXPECT_EQ(content_of(path), "1 65536/65536 3221225472\n");
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(ProgressReport, WorkGoesOnWhereTheFileCannotBeWritten) {
  const test::TempDir dir;
  ProgressReport report("1", dir.file("no/such/folder"));
  testing::internal::CaptureStderr();
  report.on_progress(at(65536));
  report.on_progress(at(65536));
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("progress is not told any more: "), std::string::npos);
  EXPECT_EQ(told.find("progress"), told.rfind("progress is"));
}

}  // namespace
}  // namespace ddsnap
