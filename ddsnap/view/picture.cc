#include "ddsnap/view/picture.h"

#include <algorithm>
#include <cmath>

namespace ddsnap {

Colour mix(Colour from, Colour to, double share) {
  const double part = std::clamp(share, 0.0, 1.0);
  const auto between = [&](std::uint8_t a, std::uint8_t b) {
    return static_cast<std::uint8_t>(std::lround(a + (b - a) * part));
  };
  return {between(from.red, to.red), between(from.green, to.green), between(from.blue, to.blue)};
}

}  // namespace ddsnap
