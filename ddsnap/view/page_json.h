// A volume as the page wants it.
//
// Threads   Plain functions.
#pragma once

#include <cstdint>
#include <string>

#include "ddsnap/view/change_matrix.h"
#include "ddsnap/view/history.h"
#include "ddsnap/view/volume_facts.h"

namespace ddsnap {

// One JSON object.
std::string page_json(const VolumeFacts& facts, const ChangeMatrix& matrix, const History& history,
                      std::int64_t now_s);

}  // namespace ddsnap
