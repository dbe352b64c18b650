// What the conformance suite works on: a device, and how to make one.
//
// Shape     A backend makes a fresh device that reads as zeros and holds at least 2 MiB, with
//           everything that must live as long.
// Errors    make() fails with the reason why the backend is not to be had here; its tests skip.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "ddsnap/io/block_device.h"

namespace ddsnap::test {

// A device under test and what it stands on.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual BlockDevice& device() = 0;
  // The same content, open for reading only; kFailed where the backend has no such thing.
  virtual Result<BlockDevice*> read_only_device() {
    return fail(ErrorCode::kFailed, "this backend has no read-only mode");
  }
};

struct Backend {
  std::string name;
  bool is_concurrent = false;      // safe from several threads
  bool has_partial_block = false;  // the last block is shorter
  std::function<Result<std::unique_ptr<Subject>>()> make;
};

inline std::string backend_name(const ::testing::TestParamInfo<Backend>& info) {
  return info.param.name;
}
inline void PrintTo(const Backend& backend, std::ostream* out) {
  *out << backend.name;
}

}  // namespace ddsnap::test
