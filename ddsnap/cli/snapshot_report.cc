#include "ddsnap/cli/snapshot_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ddsnap/base/size_text.h"

namespace ddsnap {

namespace {

using nlohmann::ordered_json;

std::size_t tag_width(std::span<const SnapshotEntry> snapshots) {
  std::size_t width = 3;
  for (const SnapshotEntry& snapshot : snapshots) width = std::max(width, snapshot.tag.size());
  return width;
}

std::uint64_t total_use(const SnapshotEntry& snapshot) {
  return std::uint64_t{snapshot.use_count} + snapshot.target_count;
}

}  // namespace

std::string_view state_name(BoundaryState state) {
  switch (state) {
    case BoundaryState::kLive:
      return "live";
    case BoundaryState::kBookmark:
      return "bookmark";
    case BoundaryState::kDropped:
      return "dropped";
  }
  return "unknown";
}

std::string_view ladder_name(std::uint32_t ladder) {
  static constexpr std::string_view kNames[] = {"works", "no new snapshots",
                                                "snapshots lost, tracking only", "closed"};
  return ladder < std::size(kNames) ? kNames[ladder] : "unknown";
}

ordered_json to_json(const SnapshotEntry& snapshot) {
  return {{"tag", snapshot.tag},
          {"uuid", snapshot.uuid.to_string()},
          {"epoch", snapshot.epoch.value},
          {"state", state_name(snapshot.state)},
          {"priority", snapshot.priority},
          {"use_count", snapshot.use_count},
          {"target_count", snapshot.target_count},
          {"created", utc_time(snapshot.created_ns)},
          {"created_ns", snapshot.created_ns},
          {"size_bytes", snapshot.size_bytes},
          {"changed_chunks", snapshot.changed_chunks},
          {"exception_chunks", snapshot.exception_chunks},
          {"private_chunks", snapshot.private_chunks}};
}

ordered_json to_json(const TargetEntry& target) {
  return {{"id", target.attachment_id},
          {"role", target.role == TargetRole::kOrigin ? "origin" : "snapshot"},
          {"tag", target.tag},
          {"label", target.label},
          {"present", target.is_present}};
}

ordered_json to_json(const ServerStatusMessage& status) {
  return {{"store_uuid", status.store_uuid.to_string()},
          {"state", ladder_name(status.ladder)},
          {"state_why", status.ladder_why},
          {"on_store_failure", status.origin_stops ? "stop" : "go-on"},
          {"warn_percent", status.warn_percent},
          {"warnings", status.warnings},
          {"lost_chunks", status.lost_chunks},
          {"repeated_writes", status.repeated_writes},
          {"chunk_bytes", std::uint64_t{1} << status.chunk_shift},
          {"origin_bytes", status.origin_bytes},
          {"created", utc_time(status.created_ns)},
          {"created_ns", status.created_ns},
          {"slots_total", status.slots_total},
          {"slots_free", status.slots_free},
          {"metadata_bytes_total", status.metadata_bytes_total},
          {"metadata_bytes_used", status.metadata_bytes_used},
          {"journal_bytes_total", status.journal_bytes_total},
          {"journal_bytes_used", status.journal_bytes_used},
          {"boundaries", status.boundaries},
          {"exceptions", status.exceptions},
          {"targets_present", status.targets_present},
          {"targets_absent", status.targets_absent},
          {"first_writes", status.first_writes},
          {"batches", status.batches},
          {"origin_path", status.origin_path},
          {"snapstore_path", status.snapstore_path},
          {"metadata_path", status.metadata_path}};
}

std::string list_table(std::span<const SnapshotEntry> snapshots) {
  const std::size_t width = tag_width(snapshots);
  std::string text = fmt::format("{:<{}}  {:<20}  {:<8}  {:>4}  {:>6}\n", "TAG", width, "CREATED",
                                 "STATE", "PRIO", "IN USE");
  for (const SnapshotEntry& snapshot : snapshots)
    text += fmt::format("{:<{}}  {:<20}  {:<8}  {:>4}  {:>6}\n", snapshot.tag, width,
                        utc_time(snapshot.created_ns), state_name(snapshot.state),
                        int{snapshot.priority}, total_use(snapshot));
  return text;
}

// A "!" marks what has no data any more, as the original did.
std::string status_table(std::span<const SnapshotEntry> snapshots) {
  const std::size_t width = tag_width(snapshots);
  std::string text = fmt::format("  {:<{}}  {:<20}  {:>6}  {:>4}  {:>12}  {:>12}  {:>12}\n", "TAG",
                                 width, "CREATED", "IN USE", "PRIO", "CHANGED", "SAVED", "PRIVATE");
  std::uint64_t saved = 0;
  std::uint64_t private_chunks = 0;
  for (const SnapshotEntry& snapshot : snapshots) {
    text +=
        fmt::format("{} {:<{}}  {:<20}  {:>6}  {:>4}  {:>12}  {:>12}  {:>12}\n",
                    snapshot.state == BoundaryState::kLive ? ' ' : '!', snapshot.tag, width,
                    utc_time(snapshot.created_ns), total_use(snapshot), int{snapshot.priority},
                    with_commas(snapshot.changed_chunks), with_commas(snapshot.exception_chunks),
                    with_commas(snapshot.private_chunks));
    saved += snapshot.exception_chunks;
    private_chunks += snapshot.private_chunks;
  }
  text += fmt::format("  {:<{}}  {:>20}  {:>6}  {:>4}  {:>12}  {:>12}  {:>12}\n", "total", width,
                      "", "", "", "", with_commas(saved), with_commas(private_chunks));
  return text;
}

std::string target_table(std::span<const TargetEntry> targets) {
  std::string text = fmt::format("  {:>6}  {:<8}  {:<16}  {}\n", "ID", "PRESENT", "OF", "LABEL");
  for (const TargetEntry& target : targets)
    text += fmt::format("  {:>6}  {:<8}  {:<16}  {}\n", target.attachment_id,
                        target.is_present ? "yes" : "no",
                        target.role == TargetRole::kOrigin ? "origin" : target.tag, target.label);
  return text;
}

std::string status_text(const ServerStatusMessage& status) {
  const std::uint64_t chunk_bytes = std::uint64_t{1} << status.chunk_shift;
  std::string text = fmt::format(
      "Snapshot store chunk size = {}; {} of {} chunks free ({} of {})\n"
      "Origin size: {} bytes ({})\n"
      "Creation time: {}\n"
      "Metadata: {} of {} used; journal: {} of {}\n"
      "Targets: {} present, {} absent\n",
      with_commas(chunk_bytes), with_commas(status.slots_free), with_commas(status.slots_total),
      human_bytes(status.slots_free * chunk_bytes), human_bytes(status.slots_total * chunk_bytes),
      with_commas(status.origin_bytes), human_bytes(status.origin_bytes),
      utc_time(status.created_ns), human_bytes(status.metadata_bytes_used),
      human_bytes(status.metadata_bytes_total), human_bytes(status.journal_bytes_used),
      human_bytes(status.journal_bytes_total), status.targets_present, status.targets_absent);
  if (status.ladder != 0)
    text += fmt::format("State: {}: {}\n", ladder_name(status.ladder), status.ladder_why);
  for (const std::string& warning : status.warnings) text += fmt::format("Warning: {}\n", warning);
  return text;
}

std::string verbose_status_text(const ServerStatusMessage& status) {
  return fmt::format(
      "Store: {}\nOrigin: {}\nSnapstore: {}\nMetadata on: {}\n"
      "Exceptions: {}; snapshots and bookmarks: {}\n"
      "Since the server started: {} chunks saved before their first write, in {} batches\n",
      status.store_uuid.to_string(), status.origin_path, status.snapstore_path,
      status.metadata_path.empty() ? "the snapstore" : status.metadata_path,
      with_commas(status.exceptions), with_commas(status.boundaries),
      with_commas(status.first_writes), with_commas(status.batches));
}

}  // namespace ddsnap
