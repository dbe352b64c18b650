// `ddsnap status` as people like it: one volume as a table with bars.
//
// Shape     For a terminal: colours and block characters only where it has them. The bars of
//           snapshots show which part of the snapstore each holds: dark what only it needs, light
//           what older ones read, too.
// Threads   Plain functions.
#pragma once

#include <cstdint>
#include <string>

#include "ddsnap/view/volume_facts.h"

namespace ddsnap {

struct TerminalLook {
  bool has_colours = false;
  bool has_blocks = false;  // UTF-8
  // Of standard output: colours on a terminal unless NO_COLOR is set or TERM is "dumb"; blocks
  // where the locale is UTF-8.
  static TerminalLook of_output();
};

std::string status_view(const VolumeFacts& facts, const TerminalLook& look, std::int64_t now_s);
// `width` columns: of two shares of a whole, the first and what the second adds.
std::string bar_text(double share, double more, unsigned width, bool has_blocks);

}  // namespace ddsnap
