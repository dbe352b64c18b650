// The log a daemon opens when it was told none, or one.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/base/log.h"

namespace ddsnap {

// `path` empty: stderr in the foreground, else `default_path`, else (it cannot be written) nothing
// is kept. kIo and the like only for a path that was asked for.
inline Result<std::unique_ptr<Logger>> open_daemon_log(const std::string& path, bool is_foreground,
                                                       const std::string& default_path) {
  if (is_foreground || !path.empty()) return Logger::open(path);
  auto log = Logger::open(default_path);
  return log ? std::move(log) : Logger::open("/dev/null");
}

}  // namespace ddsnap
