// A picture as PNG: painted at twice its size, text with a small font of our own.
//
// Errors    kUsage for one too large (kMaxPictureSide_px); kFailed as libpng says.
// Threads   Plain functions.
#pragma once

#include <cstddef>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/view/picture.h"

namespace ddsnap {

inline constexpr int kPngScale = 2;
inline constexpr int kMaxPictureSide_px = 6000;

Result<std::vector<std::byte>> to_png(const Picture& picture);

// The painted picture, three bytes a pixel, row by row.
Result<std::vector<std::uint8_t>> paint_pixels(const Picture& picture);

}  // namespace ddsnap
