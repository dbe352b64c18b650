// What goes to systemd's journal begins with its priority and has no time stamp of its own; to
// whatever is not the stream that $JOURNAL_STREAM names, lines go as ever.
#include "ddsnap/base/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace ddsnap {
namespace {

// Standard error is the file, as long as this lives.
class ErrorsGoTo {
 public:
  explicit ErrorsGoTo(const std::string& path)
      : saved_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::dup2(file.get(), STDERR_FILENO);
  }
  ~ErrorsGoTo() {
    ::dup2(saved_.get(), STDERR_FILENO);
    ::unsetenv("JOURNAL_STREAM");
  }
  static void are_a_journal() {
    struct stat facts{};
    ::fstat(STDERR_FILENO, &facts);
    ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", facts.st_dev, facts.st_ino).c_str(), 1);
  }

 private:
  UniqueFd saved_;
};

std::string written(bool is_journal) {
  const test::TempDir dir;
  {
    const ErrorsGoTo there(dir.file("log"));
    if (is_journal) ErrorsGoTo::are_a_journal();
    const auto log = Logger::open("");
    (*log)->info("a");
    (*log)->warning("b");
    (*log)->error("c");
    (*log)->drain();
  }
  std::ifstream file(dir.file("log"));
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(JournalPrefix, LinesCarryTheirPriority) {
  EXPECT_EQ(written(true), "<6>a\n<4>b\n<3>c\n");
}

TEST(JournalPrefix, ElsewhereLinesCarryATimeStamp) {
  const std::string text = written(false);
  EXPECT_EQ(text.find('<'), std::string::npos) << text;
  EXPECT_NE(text.find("Z info: a\n"), std::string::npos) << text;
}

TEST(JournalPrefix, AnotherStreamIsNone) {
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  EXPECT_FALSE(goes_to_journal(STDERR_FILENO));
  ::unsetenv("JOURNAL_STREAM");
  EXPECT_FALSE(goes_to_journal(STDERR_FILENO));
}

}  // namespace
}  // namespace ddsnap
