// A drawing as the few things that ours are made of: filled rectangles and short lines of text. One
// model, written as SVG or PNG.
//
// Units     Pixels from the upper left corner. A character of text is kGlyphWidth wide.
// Threads   Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ddsnap {

struct Colour {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
  friend bool operator==(const Colour&, const Colour&) = default;
};

// `share` of the way from one to the other.
Colour mix(Colour from, Colour to, double share);

inline constexpr int kGlyphWidth_px = 6;
inline constexpr int kGlyphHeight_px = 8;

struct Picture {
  struct Box {
    int x_px = 0;
    int y_px = 0;
    int width_px = 0;
    int height_px = 0;
    Colour colour;
    std::string title;  // told where the pointer rests; empty: nothing
  };
  enum class Anchor { kStart, kMiddle, kEnd };
  struct Text {
    int x_px = 0;
    int y_px = 0;  // of its upper edge
    std::string text;
    Colour colour;
    Anchor anchor = Anchor::kStart;
  };

  int width_px = 0;
  int height_px = 0;
  Colour background = {255, 255, 255};
  std::vector<Box> boxes;  // drawn in this order
  std::vector<Text> texts;
};

}  // namespace ddsnap
