// How far an interrupted apply came, as its record tells.
#pragma once

#include <optional>

#include "ddsnap/delta/apply_state.h"
#include "ddsnap/replica/downstream.h"

namespace ddsnap {

inline std::optional<ReceivePoint> point_of(const TargetState& state) {
  if (!state.window || state.window->is_roll_back) return std::nullopt;
  return ReceivePoint{.delta_uuid = state.window->delta_uuid,
                      .whole_frames = state.window->first_frame,
                      .first_chunk_in_doubt = state.window->first_chunk};
}

}  // namespace ddsnap
