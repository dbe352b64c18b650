#include "ddsnap/view/volume_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/filesystem.hpp>

#include "ddsnap/replica/job_state.h"

namespace ddsnap {

namespace {

std::string absolute(const std::string& path) {
  if (path.starts_with('@')) return path;
  boost::system::error_code error;
  const auto full = boost::filesystem::canonical(path, error);
  return error ? path : full.string();
}

std::string last_part(const std::string& address) {
  const std::size_t slash = address.rfind('/');
  return slash == std::string::npos ? address : address.substr(slash + 1);
}

double share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

CopyFacts copy_of(const std::string& config, const std::string& label,
                  const JobProgress& progress) {
  return {.config = config,
          .label = label,
          .last_try_s = progress.last_try_s,
          .last_success_s = progress.last_success_s,
          .last_error = progress.last_error};
}

void add_copies(const JobConfig& config, std::vector<CopyFacts>& all) {
  const auto state = JobState::load(config.state_folder);
  const JobState known = state ? *state : JobState{};
  const std::string problem = state ? "" : state.error().message();
  for (const TargetConfig& target : config.targets) {
    const auto found = known.targets.find(target.label);
    const TargetProgress progress = found == known.targets.end() ? TargetProgress{} : found->second;
    CopyFacts copy = copy_of(config.name, target.label, progress);
    copy.period_s = target.period_s;
    if (!problem.empty()) copy.last_error = problem;
    if (!progress.acknowledged.is_nil()) {
      copy.tag = progress.acknowledged_tag;
      copy.made_s = progress.acknowledged_made_s;
    }
    all.push_back(std::move(copy));
  }
  if (!config.inbox.folder.empty()) all.push_back(copy_of(config.name, "", known.inbox));
}

// The newest of what the server remembers; a part holds fewer than that.
Result<EventListMessage> newest_events(ServerClient& client) {
  EventListMessage all = DD_TRY(client.events(0));
  while (all.has_more) {
    EventListMessage next = DD_TRY(client.events(all.entries.back().number));
    if (next.entries.empty()) break;
    all = std::move(next);
  }
  return all;
}

}  // namespace

std::optional<std::int64_t> CopyFacts::lag_s(std::int64_t now_s) const {
  if (made_s == 0) return std::nullopt;
  return std::max<std::int64_t>(0, now_s - made_s);
}

double VolumeFacts::store_share() const {
  return share_of(slots_used(), status.slots_total);
}

double VolumeFacts::metadata_share() const {
  return share_of(status.metadata_bytes_used, status.metadata_bytes_total);
}

SpaceEntry VolumeFacts::space_of(Epoch epoch) const {
  const auto found = std::ranges::find(space, epoch, &SpaceEntry::epoch);
  return found == space.end() ? SpaceEntry{.epoch = epoch} : *found;
}

bool VolumeFacts::is_damaged() const {
  return status.ladder != 0 || status.lost_chunks != 0;
}

std::vector<JobConfig> configs_of_server(const std::string& config_folder,
                                         const std::string& server) {
  std::vector<JobConfig> all;
  const auto names = config_names(config_folder);
  if (!names) return all;
  for (const std::string& name : *names) {
    auto config = load_job_config(config_folder, name);
    if (config && absolute(config->server) == absolute(server)) all.push_back(*std::move(config));
  }
  return all;
}

Result<std::vector<VolumeName>> volume_names(const std::vector<std::string>& servers,
                                             const std::string& config_folder) {
  std::vector<VolumeName> all;
  for (const std::string& server : servers) {
    const auto configs = configs_of_server(config_folder, server);
    all.push_back({configs.empty() ? last_part(server) : configs.front().name, server});
  }
  if (!all.empty()) return all;
  const auto names = config_names(config_folder);
  if (names)
    for (const std::string& name : *names)
      if (const auto config = load_job_config(config_folder, name))
        all.push_back({name, config->server});
  if (all.empty())
    return fail(ErrorCode::kUsage,
                fmt::format("no SERVER is named, and {} holds no configuration of a volume",
                            config_folder));
  return all;
}

Status read_volume_into(VolumeFacts& facts, ServerClient& client) {
  facts.status = DD_TRY(client.status());
  facts.snapshots = DD_TRY(client.snapshots());
  facts.space = DD_TRY(client.space());
  facts.targets = DD_TRY(client.targets());
  facts.events = DD_TRY(newest_events(client));
  return {};
}

VolumeFacts read_volume(const VolumeName& volume, const std::string& config_folder) {
  VolumeFacts facts{.volume = volume};
  for (const JobConfig& config : configs_of_server(config_folder, volume.server))
    add_copies(config, facts.copies);
  auto client = ServerClient::connect(volume.server);
  const Status read = client ? read_volume_into(facts, *client) : std::unexpected(client.error());
  if (!read) facts.unreachable = read.error();
  return facts;
}

}  // namespace ddsnap
