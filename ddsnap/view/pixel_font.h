// Five by seven pixels a character: enough for labels in a PNG, with no font to be installed.
//
// Shape     Five columns; bit 0 is the upper row. What has no glyph is a small box.
// Threads   A plain function.
#pragma once

#include <array>
#include <cstdint>

namespace ddsnap {

std::array<std::uint8_t, 5> glyph_columns(char character);

}  // namespace ddsnap
