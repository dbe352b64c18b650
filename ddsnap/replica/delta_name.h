// How a delta is called on its way from an outbox to an inbox: 00000042-FROMUUID-TOUUID.delta, the
// uuids of 36 characters each; that of a full delta's FROM is nil.
//
// Errors    parse(): kUsage for any other name.
// Threads   A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnap/base/uuid.h"

namespace ddsnap {

struct DeltaName {
  std::uint64_t sequence =
      0;  // grows along the way; tells people the order, programs go by the uuids
  Uuid from;
  Uuid to;

  static Result<DeltaName> parse(std::string_view name);
  std::string text() const;
  friend auto operator<=>(const DeltaName&, const DeltaName&) = default;
};

// What lies in a folder: deltas in the order of their numbers, and names that are none. Names that
// begin with a dot, and those of files that are being written, are passed over. A folder that is
// not there is empty.
struct DeltaFolder {
  std::vector<DeltaName> deltas;
  std::vector<std::string> others;

  static Result<DeltaFolder> list(const std::string& path);
};

}  // namespace ddsnap
