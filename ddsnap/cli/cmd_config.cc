#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

namespace {

bool is_installed(const std::string& program) {
  if (program.find('/') != std::string::npos) return ::access(program.c_str(), X_OK) == 0;
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access(fmt::format("{}/{}", folder, program).c_str(), X_OK) == 0) return true;
  return false;
}

bool is_folder(const std::string& path) {
  struct stat facts{};
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

std::vector<std::string> doubts_of(const TargetConfig& target) {
  std::vector<std::string> doubts;
  const bool is_by_files = target.transport == TargetConfig::Transport::kRsync;
  if (is_by_files && !is_installed("rsync")) doubts.emplace_back("rsync is not installed");
  const std::string ssh = target.ssh.substr(0, target.ssh.find(' '));
  const bool is_by_tcp = target.transport == TargetConfig::Transport::kTcp;
  if (is_by_tcp && !target.key.empty() && ::access(target.key.c_str(), R_OK) != 0)
    doubts.push_back(target.key + " cannot be read");
  if (!is_by_tcp && !target.host.empty() && !is_installed(ssh))
    doubts.push_back(ssh + " is not installed");
  if (is_by_files && target.host.empty() && !is_folder(target.remote))
    doubts.push_back(target.remote + " is no folder");
  return doubts;
}

// What may be wrong with a configuration that can be read.
std::vector<std::string> doubts_of(const JobConfig& config) {
  std::vector<std::string> doubts;
  const auto client = ServerClient::connect(config.server);
  if (!client) doubts.push_back(client.error().message());
  if (config.keep.empty() && config.targets.empty() && config.inbox.folder.empty())
    doubts.emplace_back("neither [keep] nor [target] nor [inbox]: there is nothing to do");
  for (const TargetConfig& target : config.targets)
    for (const std::string& doubt : doubts_of(target))
      doubts.push_back(fmt::format("target '{}': {}", target.label, doubt));
  return doubts;
}

}  // namespace

Result<int> cmd_config(Arguments arguments) {
  std::string action, name, folder = default_config_folder();
  ArgumentParser parser({.name = "config",
                         .usage = "check [--config DIR] [NAME]",
                         .summary = "Says of each volume's configuration whether it can be used, "
                                    "and what looks wrong."});
  parser.config_option(folder);
  parser.object("check", action, "The one thing that can be done");
  parser.object("NAME", name, "What the volume's file is called; all of them, if none is given",
                Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;
  if (action != "check")
    return fail(ErrorCode::kUsage, fmt::format("config: '{}' is not 'check'", action));
  const std::vector<std::string> names = name.empty() ? DD_TRY(config_names(folder)) : std::vector{name};

  Status first;
  for (const std::string& one : names) {
    const auto config = load_job_config(folder, one);
    if (!config) {
      if (!first) fmt::print(stderr, "ddsnap: {}\n", config.error().message());
      if (first) first = std::unexpected(config.error());
      continue;
    }
    const std::vector<std::string> doubts = doubts_of(*config);
    if (doubts.empty()) fmt::print("{}: in order\n", one);
    for (const std::string& doubt : doubts) fmt::print("{}: {}\n", one, doubt);
  }
  DD_TRY(first);
  return 0;
}

}  // namespace ddsnap
