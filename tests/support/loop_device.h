// A loop block device over a file, detached at the end. Needs root and losetup.
//
// Errors    attach() says why there is none; a test then skips with that reason.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/base/result.h"

namespace ddsnap::test {

class LoopDevice {
 public:
  static Result<std::unique_ptr<LoopDevice>> attach(const std::string& file, unsigned sector_bytes);
  ~LoopDevice();

  const std::string& path() const { return path_; }

 private:
  explicit LoopDevice(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

}  // namespace ddsnap::test
