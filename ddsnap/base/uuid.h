// A 128-bit random identifier, as snapshots, stores, targets and deltas carry it.
//
// Shape     16 bytes; as text 32 lower-case hex digits in the usual 8-4-4-4-12 groups (RFC 4122,
// version 4).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "ddsnap/base/random.h"
#include "ddsnap/base/result.h"

namespace ddsnap {

struct Uuid {
  std::array<std::byte, 16> bytes{};

  static Uuid make(RandomSource& random);
  // The same bytes always give the same one (XXH3-128).
  static Uuid derived_from(std::span<const std::byte> bytes);
  static Result<Uuid> parse(std::string_view text);
  std::string to_string() const;
  bool is_nil() const { return *this == Uuid{}; }
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

}  // namespace ddsnap
