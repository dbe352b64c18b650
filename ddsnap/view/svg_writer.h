// A picture as SVG, to be looked at by itself or in a page.
//
// Errors    None: characters that XML cannot hold are replaced.
// Threads   A plain function.
#pragma once

#include <string>

#include "ddsnap/view/picture.h"

namespace ddsnap {

std::string to_svg(const Picture& picture);

}  // namespace ddsnap
