// Changelists, deltas, how a delta fits a device and how an apply went, as `inspect`, `verify` and
// `apply-delta` show them: as text and as JSON.
//
// Units     Counts are chunks and frames, sizes bytes, as the names say.
// Threads   Plain functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "ddsnap/delta/apply_delta.h"
#include "ddsnap/delta/inspect.h"
#include "ddsnap/delta/verify.h"

namespace ddsnap {

nlohmann::ordered_json to_json(const ChangelistFacts& facts);
nlohmann::ordered_json to_json(const DeltaFacts& facts);
nlohmann::ordered_json to_json(const DigestFacts& facts);
nlohmann::ordered_json to_json(const FitReport& report);
nlohmann::ordered_json to_json(const ApplyReport& report);

std::string to_text(const ChangelistFacts& facts);
std::string to_text(const DeltaFacts& facts);
std::string to_text(const DigestFacts& facts);
std::string to_text(const FitReport& report, const std::string& device_name);

}  // namespace ddsnap
