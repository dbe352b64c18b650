#include "ddsnap/view/svg_writer.h"

#include <fmt/format.h>

namespace ddsnap {

namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      result += '?';
    else
      result += c;
  }
  return result;
}

std::string hex(Colour colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", colour.red, colour.green, colour.blue);
}

std::string box_svg(const Picture::Box& box) {
  const std::string start =
      fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"", box.x_px,
                  box.y_px, box.width_px, box.height_px, hex(box.colour));
  if (box.title.empty()) return start + "/>\n";
  return fmt::format("{}><title>{}</title></rect>\n", start, escaped(box.title));
}

const char* anchor_name(Picture::Anchor anchor) {
  switch (anchor) {
    case Picture::Anchor::kStart:
      return "start";
    case Picture::Anchor::kMiddle:
      return "middle";
    case Picture::Anchor::kEnd:
      return "end";
  }
  return "start";
}

}  // namespace

std::string to_svg(const Picture& picture) {
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" shape-rendering=\"crispEdges\" font-family=\"monospace\" font-size=\"10\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"{2}\"/>\n",
      picture.width_px, picture.height_px, hex(picture.background));
  for (const Picture::Box& box : picture.boxes) svg += box_svg(box);
  for (const Picture::Text& text : picture.texts)
    svg += fmt::format("<text x=\"{}\" y=\"{}\" fill=\"{}\" text-anchor=\"{}\">{}</text>\n",
                       text.x_px, text.y_px + kGlyphHeight_px, hex(text.colour),
                       anchor_name(text.anchor), escaped(text.text));
  return svg + "</svg>\n";
}

}  // namespace ddsnap
