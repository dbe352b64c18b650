#include "ddsnap/view/png_writer.h"

#include <png.h>

#include <algorithm>
#include <string_view>

#include "ddsnap/view/pixel_font.h"

namespace ddsnap {

namespace {

class Canvas {
 public:
  Canvas(int width_px, int height_px)
      : width_(width_px * kPngScale),
        height_(height_px * kPngScale),
        pixels_(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 3) {}

  // What lies outside is left out.
  void fill(int x_px, int y_px, int width_px, int height_px, Colour colour) {
    const int left = std::max(0, x_px * kPngScale);
    const int right = std::min(width_, (x_px + width_px) * kPngScale);
    const int bottom = std::min(height_, (y_px + height_px) * kPngScale);
    for (int y = std::max(0, y_px * kPngScale); y < bottom; ++y)
      for (int x = left; x < right; ++x) set(x, y, colour);
  }

  void write(const Picture::Text& text) {
    const int width_px = static_cast<int>(text.text.size()) * kGlyphWidth_px;
    int x_px = text.x_px;
    if (text.anchor == Picture::Anchor::kMiddle) x_px -= width_px / 2;
    if (text.anchor == Picture::Anchor::kEnd) x_px -= width_px;
    for (const char c : text.text) {
      const auto columns = glyph_columns(c);
      for (int column = 0; column < static_cast<int>(columns.size()); ++column)
        for (int row = 0; row < kGlyphHeight_px; ++row)
          if ((columns[static_cast<std::size_t>(column)] >> row & 1) != 0)
            fill(x_px + column, text.y_px + row, 1, 1, text.colour);
      x_px += kGlyphWidth_px;
    }
  }

  std::vector<std::uint8_t> take() { return std::move(pixels_); }

 private:
  void set(int x, int y, Colour colour) {
    const std::size_t at = 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
                                static_cast<std::size_t>(x));
    pixels_[at] = colour.red;
    pixels_[at + 1] = colour.green;
    pixels_[at + 2] = colour.blue;
  }

  int width_;
  int height_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace

Result<std::vector<std::uint8_t>> paint_pixels(const Picture& picture) {
  if (picture.width_px <= 0 || picture.height_px <= 0 || picture.width_px > kMaxPictureSide_px ||
      picture.height_px > kMaxPictureSide_px)
    return fail(ErrorCode::kUsage, "the picture is too large for PNG; write SVG, or fewer rows");
  Canvas canvas(picture.width_px, picture.height_px);
  canvas.fill(0, 0, picture.width_px, picture.height_px, picture.background);
  for (const Picture::Box& box : picture.boxes)
    canvas.fill(box.x_px, box.y_px, box.width_px, box.height_px, box.colour);
  for (const Picture::Text& text : picture.texts) canvas.write(text);
  return canvas.take();
}

Result<std::vector<std::byte>> to_png(const Picture& picture) {
  const auto pixels = DD_TRY(paint_pixels(picture));
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width_px * kPngScale);
  image.height = static_cast<png_uint_32>(picture.height_px * kPngScale);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t length_bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::byte> png(length_bytes);
  const int written =
      png_image_write_to_memory(&image, png.data(), &length_bytes, 0, pixels.data(), 0, nullptr);
  if (written == 0)
    return fail(ErrorCode::kFailed,
                std::string("libpng: ") + static_cast<const char*>(image.message));
  png.resize(length_bytes);
  return png;
}

}  // namespace ddsnap
