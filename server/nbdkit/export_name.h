// What an export's name means: "" or "origin", a tag, or "FROM..TO".
//
// Errors    kUsage for anything else.
#pragma once

#include <string>
#include <string_view>

#include "ddsnap/base/result.h"

namespace ddsnap {

struct ExportName {
  enum class Kind { kOrigin, kSnapshot, kDifference };
  Kind kind = Kind::kOrigin;
  std::string tag;       // kSnapshot; kDifference: TO
  std::string from_tag;  // kDifference

  static Result<ExportName> parse(std::string_view text);
};

}  // namespace ddsnap
