// A picture as a file, by the end of its name: .svg or .png; "-" is SVG to stdout.
//
// Durable   The file appears whole or not at all.
// Errors    check_picture_path(): kUsage. write_picture(): as the file system says.
// Threads   Plain functions.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/view/picture.h"

namespace ddsnap {

Status check_picture_path(const std::string& path);
// Requires: the path was checked.
Status write_picture(const std::string& path, const Picture& picture);

}  // namespace ddsnap
