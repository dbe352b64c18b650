#include "server/store/bitmap_check.h"

#include <bit>
#include <vector>

#include "ddsnap/base/endian.h"
#include "server/store/pack.h"

namespace ddsnap {

namespace {

constexpr std::uint16_t kCookieWithRuns = 12347;
constexpr std::uint32_t kCookieWithoutRuns = 12346;
constexpr std::uint32_t kMaxContainers = 1u << 16;
constexpr std::uint32_t kOffsetsFrom = 4;  // containers, where there are runs
constexpr std::uint32_t kMaxArrayValues = 4096;
constexpr std::size_t kBitsetBytes = 8192;

struct ContainerDisk {
  le16 key;
  le16 count_less_one;
};
struct RunDisk {
  le16 first;
  le16 length_less_one;
};

std::unexpected<Error> damaged() {
  return fail(ErrorCode::kDamaged, "a bitmap is not what was written");
}

struct Container {
  std::uint32_t count = 0;
  bool is_run = false;
};

Status check_array(Unpacker& from, std::uint32_t count) {
  std::int32_t last = -1;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int32_t value = DD_TRY(from.take<le16>())
    .get();
    if (value <= last) return damaged();
    last = value;
  }
  return {};
}

Status check_bitset(Unpacker& from, std::uint32_t count) {
  std::uint32_t found = 0;
  for (const std::byte byte : DD_TRY(from.take_bytes(kBitsetBytes)))
    found += static_cast<std::uint32_t>(std::popcount(static_cast<std::uint8_t>(byte)));
  if (found != count) return damaged();
  return {};
}

Status check_runs(Unpacker& from, std::uint32_t count) {
  const std::uint32_t runs = DD_TRY(from.take<le16>())
  .get();
  std::uint32_t found = 0;
  std::int32_t last = -1;
  for (std::uint32_t i = 0; i < runs; ++i) {
    const auto run = DD_TRY(from.take<RunDisk>());
    const std::int32_t first = run.first.get();
    const std::int32_t end = first + run.length_less_one.get();
    if (first <= last || end > 0xffff) return damaged();
    last = end;
    found += run.length_less_one.get() + 1u;
  }
  if (found != count) return damaged();
  return {};
}

// The cookie, which containers are runs, keys and counts, and the offsets, which say nothing new.
Result<std::vector<Container>> take_containers(Unpacker& from) {
  const std::uint32_t cookie = DD_TRY(from.take<le32>())
  .get();
  const bool has_runs = (cookie & 0xffff) == kCookieWithRuns;
  if (!has_runs && cookie != kCookieWithoutRuns) return damaged();
  const std::uint32_t size = has_runs ? (cookie >> 16) + 1 : DD_TRY(from.take<le32>())
  .get();
  if (size > kMaxContainers) return damaged();
  std::vector<Container> containers(size);
  if (has_runs) {
    const auto flags = DD_TRY(from.take_bytes((size + 7) / 8));
    for (std::uint32_t i = 0; i < size; ++i)
      containers[i].is_run = (static_cast<unsigned>(flags[i / 8]) >> (i % 8) & 1) != 0;
  }
  std::int32_t last_key = -1;
  for (Container& container : containers) {
    const auto disk = DD_TRY(from.take<ContainerDisk>());
    if (disk.key.get() <= last_key) return damaged();
    last_key = disk.key.get();
    container.count = disk.count_less_one.get() + 1u;
  }
  if (!has_runs || size >= kOffsetsFrom) DD_TRY(from.take_bytes(std::uint64_t{size} * 4));
  return containers;
}

}  // namespace

Status check_portable_bitmap(std::span<const std::byte> bytes) {
  Unpacker from(bytes);
  for (const Container& container : DD_TRY(take_containers(from))) {
    if (container.is_run) {
      DD_TRY(check_runs(from, container.count));
    } else if (container.count > kMaxArrayValues) {
      DD_TRY(check_bitset(from, container.count));
    } else {
      DD_TRY(check_array(from, container.count));
    }
  }
  if (!from.is_at_end()) return damaged();
  return {};
}

}  // namespace ddsnap
