// Memory that O_DIRECT accepts: aligned to a page, zeroed at birth, freed at the end.
//
// Threads   A plain value.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"

namespace ddsnap {

class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignmentBytes = 4096;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size_bytes) : AlignedBuffer(for_overwrite(size_bytes)) {
    std::memset(memory_.get(), 0, capacity_of(size_bytes));
  }
  // Not zeroed: what is read from it was written there before.
  static AlignedBuffer for_overwrite(std::size_t size_bytes) {
    AlignedBuffer buffer;
    buffer.size_bytes_ = size_bytes;
    buffer.memory_.reset(
        static_cast<std::byte*>(std::aligned_alloc(kAlignmentBytes, capacity_of(size_bytes))));
    DD_CHECK(buffer.memory_ != nullptr);
    return buffer;
  }
  // What was moved from is empty, and says so.
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : memory_(std::move(other.memory_)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    memory_ = std::move(other.memory_);
    size_bytes_ = std::exchange(other.size_bytes_, 0);
    return *this;
  }

  std::size_t size() const { return size_bytes_; }
  std::byte* data() { return memory_.get(); }
  const std::byte* data() const { return memory_.get(); }
  std::span<std::byte> span() { return {memory_.get(), size_bytes_}; }
  std::span<const std::byte> span() const { return {memory_.get(), size_bytes_}; }

 private:
  static std::size_t capacity_of(std::size_t size_bytes) {
    return round_up(std::max<std::size_t>(size_bytes, 1), kAlignmentBytes);
  }

  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_bytes_ = 0;
};

}  // namespace ddsnap
