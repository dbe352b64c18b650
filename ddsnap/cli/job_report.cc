#include "ddsnap/cli/job_report.h"

#include <fmt/format.h>

#include "ddsnap/replica/job_state.h"
#include "ddsnap/view/plain_words.h"
#include "ddsnap/view/volume_facts.h"

namespace ddsnap {

namespace {

std::string progress_text(const std::string& what, const JobProgress& progress,
                          std::int64_t now_s) {
  std::string text =
      fmt::format("{}: last success {}", what, age_text(progress.last_success_s, now_s));
  if (!progress.last_error.empty())
    text +=
        fmt::format(", failed {}: {}", age_text(progress.last_try_s, now_s), progress.last_error);
  return text;
}

std::string text_of(const JobConfig& config, const JobState& state, std::int64_t now_s) {
  std::string text;
  for (const TargetConfig& target : config.targets) {
    const auto found = state.targets.find(target.label);
    const TargetProgress progress = found == state.targets.end() ? TargetProgress{} : found->second;
    text +=
        progress_text(fmt::format("{}: target '{}'", config.name, target.label), progress, now_s);
    if (!progress.acknowledged.is_nil())
      text += fmt::format("; its copy is '{}', of {}", progress.acknowledged_tag,
                          age_text(progress.acknowledged_made_s, now_s));
    text += "\n";
  }
  if (!config.inbox.folder.empty())
    text +=
        progress_text(config.name + ": inbox " + config.inbox.folder, state.inbox, now_s) + "\n";
  return text;
}

}  // namespace

std::string replication_text(const std::string& config_folder, const std::string& server,
                             std::int64_t now_s) {
  std::string text;
  for (const JobConfig& config : configs_of_server(config_folder, server)) {
    const auto state = JobState::load(config.state_folder);
    text += state ? text_of(config, *state, now_s)
                  : fmt::format("{}: {}\n", config.name, state.error().message());
  }
  return text;
}

nlohmann::ordered_json replication_json(const std::string& config_folder,
                                        const std::string& server) {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  for (const JobConfig& config : configs_of_server(config_folder, server)) {
    const auto state = JobState::load(config.state_folder);
    if (state) all[config.name] = nlohmann::ordered_json::parse(encode_job_state(*state));
    if (!state) all[config.name]["error"] = state.error().message();
  }
  return all;
}

}  // namespace ddsnap
