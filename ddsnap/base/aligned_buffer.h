// Memory that O_DIRECT accepts: aligned to a page, zeroed at birth, freed at the end.
//
// Threads   A plain value.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"

namespace ddsnap {

class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignmentBytes = 4096;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size_bytes) : size_bytes_(size_bytes) {
    const std::size_t capacity = round_up(std::max<std::size_t>(size_bytes, 1), kAlignmentBytes);
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignmentBytes, capacity)));
    DD_CHECK(memory_ != nullptr);
    std::memset(memory_.get(), 0, capacity);
  }

  std::size_t size() const { return size_bytes_; }
  std::byte* data() { return memory_.get(); }
  const std::byte* data() const { return memory_.get(); }
  std::span<std::byte> span() { return {memory_.get(), size_bytes_}; }
  std::span<const std::byte> span() const { return {memory_.get(), size_bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_bytes_ = 0;
};

}  // namespace ddsnap
