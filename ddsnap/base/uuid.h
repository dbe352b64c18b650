// A 128-bit random identifier, as snapshots, stores, targets and deltas carry it.
//
// Shape     16 bytes; as text 32 lower-case hex digits in the usual 8-4-4-4-12 groups (RFC 4122,
// version 4).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "ddsnap/base/random.h"
#include "ddsnap/base/result.h"

namespace ddsnap {

struct Uuid {
  std::array<std::byte, 16> bytes{};

  static Uuid make(RandomSource& random);
  static Result<Uuid> parse(std::string_view text);
  std::string to_string() const;
  bool is_nil() const { return *this == Uuid{}; }
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

}  // namespace ddsnap
