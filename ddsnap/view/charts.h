// The pictures of the command line: which parts of a volume change and when, and who holds the room
// in its snapstore.
//
// Threads   Plain functions.
#pragma once

#include <cstdint>

#include "ddsnap/view/change_matrix.h"
#include "ddsnap/view/picture.h"
#include "ddsnap/view/volume_facts.h"

namespace ddsnap {

// Rows downwards in time, the volume from left to right; the darker, the more of it changed.
Picture heat_map(const ChangeMatrix& matrix, const std::string& volume);
// A bar a snapshot, and one for the whole snapstore.
Picture space_chart(const VolumeFacts& facts);
// Of a cell of the heat map.
Colour heat_colour(double share);

}  // namespace ddsnap
