#include "ddsnap/io/direct_batch.h"

#include <algorithm>
#include <cstring>

namespace ddsnap {

namespace {

bool is_aligned(const IoRequest& request, std::uint32_t alignment_bytes) {
  return reinterpret_cast<std::uintptr_t>(request.data) % alignment_bytes == 0;
}

std::uint64_t end_of(const IoRequest& request) {
  return request.offset_bytes + request.length_bytes;
}

// The part of the request between two offsets inside it.
IoRequest part_of(const IoRequest& whole, std::uint64_t from_bytes, std::uint64_t to_bytes) {
  IoRequest part = whole;
  part.data += from_bytes - whole.offset_bytes;
  part.offset_bytes = from_bytes;
  part.length_bytes = to_bytes - from_bytes;
  return part;
}

}  // namespace

bool DirectBatch::is_needed(std::span<const IoRequest> batch, const Limits& limits) {
  return std::ranges::any_of(batch, [&](const IoRequest& request) {
    return !is_aligned(request, limits.memory_alignment_bytes) ||
           end_of(request) > limits.whole_blocks_end_bytes;
  });
}

DirectBatch::DirectBatch(std::span<IoRequest> batch, const Limits& limits)
    : batch_(batch), limits_(limits) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const IoRequest& request = batch[i];
    const std::uint64_t end = end_of(request);
    const std::uint64_t cut = std::clamp(limits.whole_blocks_end_bytes, request.offset_bytes, end);
    if (cut > request.offset_bytes) add_body(i, part_of(request, request.offset_bytes, cut));
    if (cut < end) {
      tail_.push_back(part_of(request, cut, end));
      tail_of_.push_back(i);
    }
  }
}

void DirectBatch::add_body(std::size_t index, IoRequest part) {
  if (!is_aligned(part, limits_.memory_alignment_bytes)) {
    Bounce bounce{body_.size(), part.data, AlignedBuffer(part.length_bytes)};
    part.data = bounce.buffer.data();
    if (part.kind == IoRequest::Kind::kWrite)
      std::memcpy(part.data, bounce.data, part.length_bytes);
    bounces_.push_back(std::move(bounce));
  }
  body_.push_back(std::move(part));
  body_of_.push_back(index);
}

Status DirectBatch::finish() {
  for (const Bounce& bounce : bounces_) {
    const IoRequest& part = body_[bounce.part];
    if (part.kind == IoRequest::Kind::kRead && part.status)
      std::memcpy(bounce.data, bounce.buffer.data(), part.length_bytes);
  }
  for (IoRequest& request : batch_) request.status = {};
  const auto put_back = [this](std::span<IoRequest> parts, std::span<const std::size_t> owners) {
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (batch_[owners[i]].status) batch_[owners[i]].status = std::move(parts[i].status);
  };
  put_back(body_, body_of_);
  put_back(tail_, tail_of_);
  for (const IoRequest& request : batch_)
    if (!request.status) return request.status;
  return {};
}

}  // namespace ddsnap
