// Whether bytes are a CRoaring bitmap in the portable format, before CRoaring reads them: its own
// reader checks lengths, but takes values out of order and wrong counts as they are, and works on
// them.
//
// Errors    kDamaged for anything that CRoaring itself would not write.
// Threads   Plain function.
// Source    The RoaringFormatSpec (github.com/RoaringBitmap/RoaringFormatSpec).
#pragma once

#include <cstddef>
#include <span>

#include "ddsnap/base/result.h"

namespace ddsnap {

Status check_portable_bitmap(std::span<const std::byte> bytes);

}  // namespace ddsnap
