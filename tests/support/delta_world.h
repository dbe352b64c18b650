// Volumes, deltas between them, and an apply journal in memory, for the tests of the delta engine.
//
// Shape     make_volume() mixes random, text-like and zero chunks; edited() changes some of them a
//           little, some wholly, zeroes some. The same seed gives the same bytes.
// Threads   None inside.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/random.h"
#include "ddsnap/delta/apply_delta.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/delta/compare.h"
#include "ddsnap/delta/create_delta.h"
#include "tests/support/memory_device.h"

namespace ddsnap::test {

using Bytes = std::vector<std::byte>;

#define ASSERT_OK(expression)                           \
  do {                                                  \
    const auto& assert_ok_ = (expression);              \
    ASSERT_TRUE(assert_ok_) << assert_ok_.error().text; \
  } while (false)

inline Bytes random_bytes(RandomSource& random, std::size_t count) {
  Bytes bytes(count);
  random.fill(bytes);
  return bytes;
}

inline void put_text(RandomSource& random, std::span<std::byte> into) {
  static constexpr const char* kWords[] = {"snapshot ", "origin ", "chunk ", "delta ", "epoch\n"};
  for (std::size_t at = 0; at < into.size();) {
    const std::string_view word = kWords[random.below(std::size(kWords))];
    const std::size_t take = std::min(word.size(), into.size() - at);
    std::memcpy(into.data() + at, word.data(), take);
    at += take;
  }
}

inline Bytes make_volume(std::uint64_t seed, std::size_t size_bytes, std::size_t chunk_bytes) {
  SeededRandom random(seed);
  Bytes bytes(size_bytes);
  for (std::size_t at = 0; at < size_bytes; at += chunk_bytes) {
    const auto chunk = std::span(bytes).subspan(at, std::min(chunk_bytes, size_bytes - at));
    const std::uint64_t kind = random.below(4);
    if (kind == 0) random.fill(chunk);
    if (kind >= 2) put_text(random, chunk);
  }
  return bytes;
}

// About a third of the chunks changed; grown with new content, or cut, to size_bytes.
inline Bytes edited(Bytes bytes, std::uint64_t seed, std::size_t size_bytes,
                    std::size_t chunk_bytes) {
  SeededRandom random(seed);
  const std::size_t old_size = bytes.size();
  bytes.resize(size_bytes);
  if (size_bytes > old_size) put_text(random, std::span(bytes).subspan(old_size));
  for (std::size_t at = 0; at < size_bytes; at += chunk_bytes) {
    const auto chunk = std::span(bytes).subspan(at, std::min(chunk_bytes, size_bytes - at));
    switch (random.below(12)) {
      case 0:
        random.fill(chunk);
        break;
      case 1:
        std::memset(chunk.data(), 0, chunk.size());
        break;
      case 2:
      case 3:
        random.fill(chunk.subspan(random.below(chunk.size() / 2), 40));
        break;
      default:
        break;
    }
  }
  return bytes;
}

inline CowBytes cow(const Bytes& bytes) {
  CowBytes content(bytes.size());
  content.write(0, bytes);
  return content;
}

inline std::unique_ptr<MemoryDevice> device_of(const Bytes& bytes, std::string name = "memory") {
  return std::make_unique<MemoryDevice>(DeviceGeometry{.size_bytes = bytes.size()}, cow(bytes),
                                        std::move(name));
}

// What a file would give again: a state that is stored borrows what its window saves.
inline TargetState as_loaded(const TargetState& state) {
  auto again = decode_target_state(encode_target_state(state));
  EXPECT_TRUE(again) << again.error().text;
  return *std::move(again);
}

// The record of a target, in memory.
class MemoryApplyState final : public ApplyState {
 public:
  Result<TargetState> load() override { return state_; }
  using ApplyState::store;
  Status store(const TargetState& state, const std::function<Status()>& last_condition) override {
    ++stores_;
    TargetState again = as_loaded(state);
    DD_TRY(last_condition());
    state_ = std::move(again);
    return {};
  }
  TargetState state_;
  int stores_ = 0;
};

struct Pair {
  unsigned chunk_shift = 12;
  Bytes old_bytes;
  Bytes new_bytes;
  Uuid from_uuid;
  Uuid to_uuid;

  Changelist list() const {
    const auto from = device_of(old_bytes);
    const auto to = device_of(new_bytes);
    auto list = compare_devices(*from, *to, chunk_shift);
    EXPECT_TRUE(list) << list.error().text;
    list->from_uuid = from_uuid;
    list->to_uuid = to_uuid;
    list->from_tag = "a";
    list->to_tag = "b";
    return *std::move(list);
  }
  Bytes delta(const Changelist& list, const CreateDeltaOptions& options = {},
              std::uint64_t seed = 7, bool has_from = true) const {
    const auto from = device_of(old_bytes, "old");
    const auto to = device_of(new_bytes, "new");
    SeededRandom random(seed);
    MemorySink sink;
    const auto made =
        create_delta(list, has_from ? from.get() : nullptr, *to, options, random, sink);
    EXPECT_TRUE(made) << made.error().text;
    return sink.bytes();
  }
  Bytes full_delta(const CreateDeltaOptions& options = {}) const {
    return delta(full_changelist({chunk_shift, new_bytes.size()}, to_uuid, "b"), options);
  }
};

inline Pair make_pair_of_volumes(std::uint64_t seed, std::size_t old_size, std::size_t new_size,
                                 unsigned chunk_shift = 12) {
  SeededRandom random(seed);
  Pair pair;
  pair.chunk_shift = chunk_shift;
  pair.old_bytes = make_volume(seed, old_size, std::size_t{1} << chunk_shift);
  pair.new_bytes = edited(pair.old_bytes, seed + 1, new_size, std::size_t{1} << chunk_shift);
  pair.from_uuid = Uuid::make(random);
  pair.to_uuid = Uuid::make(random);
  return pair;
}

inline Result<ApplyReport> apply(const Bytes& delta, BlockDevice& target, ApplyState& state,
                                 const ApplyOptions& options = {}, bool is_pipe = false,
                                 std::size_t memory_bytes = kDefaultWorkMemoryBytes) {
  MemorySource source(delta, !is_pipe);
  WorkContext context{.workers = delta.size() < 8192 ? 0u : 2u,  // threads cost more than that
                      .memory_bytes = memory_bytes};
  return apply_delta(source, target, state, options, context);
}

// What follows on `first`: its new volume, edited again.
inline Pair next_pair(const Pair& first, std::uint64_t seed) {
  Pair next = first;
  next.old_bytes = first.new_bytes;
  next.new_bytes = edited(first.new_bytes, seed, first.new_bytes.size(), 4096);
  next.from_uuid = first.to_uuid;
  SeededRandom random(seed);
  next.to_uuid = Uuid::make(random);
  return next;
}

}  // namespace ddsnap::test
