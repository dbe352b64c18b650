#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/volume_check.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

namespace {

// One volume, as it is now.
struct Row {
  JobConfig config;
  std::string state;   // "up", "no device", "down", "elsewhere", "unreadable"
  std::string device;  // empty: there is none
  std::uint64_t size_bytes = 0;
  std::size_t snapshots = 0;
  std::string trouble;
};

std::string existing_device(const JobConfig& config) {
  const std::string device = device_of_volume(config);
  struct stat facts{};
  return ::stat(device.c_str(), &facts) == 0 && S_ISBLK(facts.st_mode) ? device : "";
}

std::string state_of(const Row& row, bool is_served) {
  const LocalVolumeConfig& local = row.config.local;
  if (!is_served) return "down";
  if (local.origin.empty()) return "served";
  return row.device.empty() && local.device != "none" ? "no device" : "up";
}

Row row_of(const std::string& folder, const std::string& name) {
  Row row;
  row.config.name = name;
  auto config = load_job_config(folder, name);
  if (!config) {
    row.state = "unreadable";
    row.trouble = config.error().message();
    return row;
  }
  row.config = *std::move(config);
  row.device = existing_device(row.config);
  auto client = ServerClient::connect(row.config.server);
  const auto status = client ? client->status() : std::unexpected(client.error());
  row.state = state_of(row, status.has_value());
  if (!status) {
    row.trouble = status.error().message();
    return row;
  }
  row.size_bytes = status->origin_bytes;
  if (const auto snapshots = client->snapshots())
    row.snapshots = static_cast<std::size_t>(
        std::ranges::count(*snapshots, BoundaryState::kLive, &SnapshotEntry::state));
  return row;
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

void print_table(const std::vector<Row>& rows) {
  std::size_t name = 4, device = 6;
  for (const Row& row : rows) {
    name = std::max(name, row.config.name.size());
    device = std::max(device, or_dash(row.device).size());
  }
  fmt::print("{:<{}}  {:<10}  {:>10}  {:>9}  {:<{}}  {}\n", "NAME", name, "STATE", "SIZE",
             "SNAPSHOTS", "DEVICE", device, "ORIGIN");
  for (const Row& row : rows)
    fmt::print("{:<{}}  {:<10}  {:>10}  {:>9}  {:<{}}  {}\n", row.config.name, name, row.state,
               row.size_bytes == 0 ? "-" : human_bytes(row.size_bytes), row.snapshots,
               or_dash(row.device), device, or_dash(row.config.local.origin));
}

nlohmann::ordered_json to_json(const Row& row) {
  return {{"name", row.config.name},
          {"state", row.state},
          {"size_bytes", row.size_bytes},
          {"snapshots", row.snapshots},
          {"device", row.device},
          {"server", row.config.server},
          {"origin", row.config.local.origin},
          {"snapstore", row.config.local.snapstore},
          {"metadata", row.config.local.metadata},
          {"trouble", row.trouble}};
}

}  // namespace

Result<int> cmd_volume_list(Arguments arguments) {
  std::string folder = default_config_folder();
  bool as_json = false;
  ArgumentParser parser({.name = "volume list",
                         .usage = "[--json] [--config DIR]",
                         .summary = "Lists the volumes that this host has a configuration of."});
  parser.flag("--json", as_json, kJsonHelp);
  parser.config_option(folder);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  std::vector<std::string> names;
  if (struct stat facts{}; ::stat(folder.c_str(), &facts) == 0)
    names = DD_TRY(config_names(folder));
  std::vector<Row> rows;
  for (const std::string& name : names) rows.push_back(row_of(folder, name));
  if (!as_json) {
    print_table(rows);
    return 0;
  }
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Row& row : rows) all.push_back(to_json(row));
  fmt::print("{}\n", all.dump(2));
  return 0;
}

}  // namespace ddsnap
