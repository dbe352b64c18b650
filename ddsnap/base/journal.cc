#include "ddsnap/base/journal.h"

#include <sys/stat.h>

#include <cstdlib>

namespace ddsnap {

bool goes_to_journal(int fd) {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat facts{};
  return stream != nullptr && ::fstat(fd, &facts) == 0 &&
         fmt::format("{}:{}", facts.st_dev, facts.st_ino) == stream;
}

const char* journal_prefix(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "<6>";
    case LogLevel::kWarning:
      return "<4>";
    case LogLevel::kError:
      return "<3>";
  }
  return "<5>";
}

}  // namespace ddsnap
