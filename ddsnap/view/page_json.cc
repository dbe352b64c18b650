#include "ddsnap/view/page_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ddsnap/view/plain_words.h"

namespace ddsnap {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxShownEvents = 40;
constexpr std::size_t kMaxShownSnapshots = 500;

std::uint64_t seconds(std::uint64_t ns) {
  return ns / 1'000'000'000;
}

ordered_json snapshots_json(const VolumeFacts& facts) {
  ordered_json all = ordered_json::array();
  const std::size_t count = facts.snapshots.size();
  for (std::size_t i = count - std::min(count, kMaxShownSnapshots); i < count; ++i) {
    const SnapshotEntry& one = facts.snapshots[i];
    const SpaceEntry space = facts.space_of(one.epoch);
    all.push_back({{"tag", one.tag},
                   {"taken_s", seconds(one.created_ns)},
                   {"state", snapshot_words(one.state)},
                   {"is_kept", one.state == BoundaryState::kLive},
                   {"in_use", std::uint64_t{one.use_count} + one.target_count},
                   {"priority", one.priority},
                   {"own_bytes", space.unique_chunks * facts.chunk_bytes()},
                   {"shared_bytes", space.shared_chunks * facts.chunk_bytes()}});
  }
  return all;
}

ordered_json copies_json(const VolumeFacts& facts, std::int64_t now_s) {
  ordered_json all = ordered_json::array();
  for (const CopyFacts& copy : facts.copies) {
    ordered_json one = {{"label", copy.label},
                        {"period_s", copy.period_s},
                        {"tag", copy.tag},
                        {"last_success_s", copy.last_success_s},
                        {"last_try_s", copy.last_try_s},
                        {"error", copy.last_error}};
    if (const auto lag_s = copy.lag_s(now_s)) one["lag_s"] = *lag_s;
    all.push_back(std::move(one));
  }
  return all;
}

ordered_json events_json(const VolumeFacts& facts) {
  ordered_json all = ordered_json::array();
  const auto& events = facts.events.entries;
  for (std::size_t i = events.size() - std::min(events.size(), kMaxShownEvents); i < events.size();
       ++i)
    all.push_back({{"time_s", seconds(events[i].time_ns)},
                   {"level", level_name(events[i].level)},
                   {"text", events[i].text}});
  return all;
}

// Cells as whole numbers up to 100; what changed at all is at least 1.
ordered_json matrix_json(const ChangeMatrix& matrix) {
  ordered_json rows = ordered_json::array();
  for (const ChangeRow& row : matrix.rows) {
    ordered_json cells = ordered_json::array();
    for (const float share : row.shares)
      cells.push_back(share > 0 ? std::max(1L, std::lround(share * 100)) : 0L);
    rows.push_back({{"from", row.from_tag},
                    {"to", row.to_tag},
                    {"from_s", seconds(row.from_ns)},
                    {"to_s", seconds(row.to_ns)},
                    {"is_known", row.is_known},
                    {"changed_bytes", row.changed_chunks << matrix.chunk_shift},
                    {"cells", std::move(cells)}});
  }
  return {{"columns", matrix.columns}, {"rows", std::move(rows)}};
}

ordered_json history_json(const History& history) {
  ordered_json all = ordered_json::array();
  for (const HistorySample& one : history.samples())
    all.push_back({one.time_s, one.used_bytes, one.total_bytes, ordered_json(one.lags_s)});
  return all;
}

ordered_json targets_json(const VolumeFacts& facts) {
  ordered_json all = ordered_json::array();
  for (const TargetEntry& target : facts.targets)
    all.push_back({{"label", target.label},
                   {"of", target.role == TargetRole::kOrigin ? "origin" : target.tag},
                   {"is_present", target.is_present}});
  return all;
}

}  // namespace

std::string page_json(const VolumeFacts& facts, const ChangeMatrix& matrix, const History& history,
                      std::int64_t now_s) {
  const ServerStatusMessage& status = facts.status;
  ordered_json all = {
      {"name", facts.volume.name}, {"server", facts.volume.server}, {"now_s", now_s}};
  all["copies"] = copies_json(facts, now_s);
  all["history"] = history_json(history);
  if (facts.unreachable) {
    all["unreachable"] = facts.unreachable->message();
  } else {
    all["state"] = ladder_words(status.ladder);
    all["is_well"] = !facts.is_damaged();
    all["why"] = status.ladder_why;
    all["warnings"] = status.warnings;
    all["warn_percent"] = status.warn_percent;
    all["origin"] = {{"path", status.origin_path}, {"bytes", status.origin_bytes}};
    all["store"] = {{"path", status.snapstore_path},
                    {"bytes", status.slots_total * facts.chunk_bytes()},
                    {"used_bytes", facts.slots_used() * facts.chunk_bytes()}};
    all["metadata"] = {{"bytes", status.metadata_bytes_total},
                       {"used_bytes", status.metadata_bytes_used}};
    all["targets"] = targets_json(facts);
    all["snapshots"] = snapshots_json(facts);
    all["events"] = events_json(facts);
    all["changes"] = matrix_json(matrix);
  }
  return all.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace ddsnap
