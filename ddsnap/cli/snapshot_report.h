// Snapshots, servers and targets as `list` and `status` show them: as text and as JSON.
//
// Units     Counts are chunks, sizes bytes, as the names say.
// Threads   Plain functions.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

// "live", "bookmark" or "dropped".
std::string_view state_name(BoundaryState state);
// "works", "no new snapshots", ... (S10).
std::string_view ladder_name(std::uint32_t ladder);

nlohmann::ordered_json to_json(const SnapshotEntry& snapshot);
nlohmann::ordered_json to_json(const TargetEntry& target);
nlohmann::ordered_json to_json(const ServerStatusMessage& status);

// With a line of headings; `list` has the first five columns, `status` the counts too.
std::string list_table(std::span<const SnapshotEntry> snapshots);
std::string status_table(std::span<const SnapshotEntry> snapshots);
std::string target_table(std::span<const TargetEntry> targets);
std::string status_text(const ServerStatusMessage& status);
// What else is known of the server: for `status -v`.
std::string verbose_status_text(const ServerStatusMessage& status);

}  // namespace ddsnap
