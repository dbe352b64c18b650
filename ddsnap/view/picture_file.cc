#include "ddsnap/view/picture_file.h"

#include <fmt/format.h>

#include "ddsnap/delta/atomic_file.h"
#include "ddsnap/view/png_writer.h"
#include "ddsnap/view/svg_writer.h"

namespace ddsnap {

Status check_picture_path(const std::string& path) {
  if (path == "-" || path.ends_with(".svg") || path.ends_with(".png")) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("'{}' ends neither in .svg nor in .png (and is not '-')", path));
}

Status write_picture(const std::string& path, const Picture& picture) {
  if (path.ends_with(".png")) {
    const auto png = DD_TRY(to_png(picture));
    AtomicFile file = DD_TRY(AtomicFile::create(path));
    DD_TRY(file.write(png));
    return file.commit();
  }
  const std::string svg = to_svg(picture);
  if (path == "-") {
    fmt::print("{}", svg);
    return {};
  }
  AtomicFile file = DD_TRY(AtomicFile::create(path));
  DD_TRY(file.write(std::as_bytes(std::span(svg))));
  return file.commit();
}

}  // namespace ddsnap
