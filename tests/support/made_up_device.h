// What the measuring programs of the store share: devices whose content costs no memory, an end for
// what fails, and the line by which store_bench.py reads a measurement.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap::test {

// Holds its own offset everywhere. What is written is forgotten, but for the superblocks at the
// start and the last slot, which recovery judges.
class MadeUpDevice final : public BlockDevice {
 public:
  MadeUpDevice(std::uint64_t size_bytes, std::string name)
      : geometry_{.size_bytes = size_bytes}, name_(std::move(name)) {}
  const DeviceGeometry& geometry() const override { return geometry_; }
  const std::string& name() const override { return name_; }
  Status run(std::span<IoRequest> batch) override {
    for (IoRequest& request : batch) {
      const std::span bytes(request.data, request.length_bytes);
      if (request.kind == IoRequest::Kind::kWrite)
        write(request.offset_bytes, bytes);
      else
        read(request.offset_bytes, bytes);
      request.status = {};
    }
    return {};
  }
  Status flush() override { return {}; }

  struct Remembered {
    std::vector<std::byte> start = std::vector<std::byte>(64 << 10);
    std::uint64_t last_at = 0;
    std::vector<std::byte> last = {};
  };
  Remembered remembered;

 private:
  void write(std::uint64_t at, std::span<const std::byte> bytes) {
    if (at + bytes.size() <= remembered.start.size()) {
      std::ranges::copy(bytes, remembered.start.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      remembered.last_at = at;
      remembered.last.assign(bytes.begin(), bytes.end());
    }
  }
  void read(std::uint64_t at, std::span<std::byte> bytes) {
    if (at + bytes.size() <= remembered.start.size()) {
      std::copy_n(remembered.start.begin() + static_cast<std::ptrdiff_t>(at), bytes.size(),
                  bytes.begin());
    } else if (at == remembered.last_at && bytes.size() == remembered.last.size()) {
      std::ranges::copy(remembered.last, bytes.begin());
    } else {
      std::fill(bytes.begin(), bytes.end(), std::byte{0});
      std::memcpy(bytes.data(), &at, sizeof at);
    }
  }

  DeviceGeometry geometry_;
  std::string name_;
};

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "{}\n", result.error().message());
  std::exit(1);
}
inline void must(Status status) {
  if (status) return;
  fmt::print(stderr, "{}\n", status.error().message());
  std::exit(1);
}

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// `theirs` as long as `ours`; a limit of 0 is none.
struct Measure {
  std::string what;
  std::string unit;
  std::vector<double> ours;
  std::string peer = {};
  std::vector<double> theirs = {};
  double limit = 0;
};

inline std::string in_words(const std::vector<double>& figures) {
  std::string words;
  for (const double figure : figures)
    words += fmt::format("{}{:.4g}", words.empty() ? "" : " ", figure);
  return words;
}

inline void print_measure(const Measure& measure) {
  fmt::print("MEASURE|{}|{}|{}|{}|{}|{}\n", measure.what, measure.unit, in_words(measure.ours),
             measure.peer, in_words(measure.theirs), measure.limit);
  std::fflush(stdout);
}

}  // namespace ddsnap::test
