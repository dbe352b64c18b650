#include "ddsnap/replica/job_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/filesystem.hpp>
#include <boost/property_tree/ini_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <sstream>

#include "ddsnap/base/size_text.h"

namespace ddsnap {

namespace {

using Tree = boost::property_tree::ptree;
using Setter = std::function<Status(const std::string& value)>;
using Setters = std::map<std::string, Setter, std::less<>>;

Setter text(std::string& value) {
  return [&value](const std::string& told) -> Status {
    value = told;
    return {};
  };
}

Result<std::uint32_t> parse_count(std::string_view told) {
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(told.data(), told.data() + told.size(), count);
  if (told.empty() || error != std::errc() || end != told.data() + told.size())
    return fail(ErrorCode::kUsage, fmt::format("'{}' is no number", told));
  return count;
}

Setter yes_or_no(bool& value) {
  return [&value](const std::string& told) -> Status {
    if (told != "yes" && told != "no")
      return fail(ErrorCode::kUsage, fmt::format("'{}' is not yes or no", told));
    value = told == "yes";
    return {};
  };
}

// "/srv/data, /srv/log"
Setter folders(std::vector<std::string>& value) {
  return [&value](const std::string& told) -> Status {
    std::istringstream words(told);
    for (std::string word; std::getline(words, word, ',');) {
      word.erase(0, std::min(word.find_first_not_of(' '), word.size()));
      word.erase(word.find_last_not_of(' ') + 1);
      if (!word.starts_with('/'))
        return fail(ErrorCode::kUsage, fmt::format("'{}' is no absolute path", word));
      value.push_back(word);
    }
    return {};
  };
}

Setter duration(std::uint32_t& value_s) {
  return [&value_s](const std::string& told) -> Status {
    value_s = DD_TRY(parse_duration_s(told));
    return {};
  };
}

Setter count(std::uint32_t& value) {
  return [&value](const std::string& told) -> Status {
    value = DD_TRY(parse_count(told));
    return {};
  };
}

Setter backlog(std::uint32_t& value) {
  return [&value](const std::string& told) -> Status {
    value = DD_TRY(parse_count(told));
    if (value == 0) return fail(ErrorCode::kUsage, "at least one delta must be allowed to wait");
    return {};
  };
}

Setter size(std::uint64_t& value_bytes) {
  return [&value_bytes](const std::string& told) -> Status {
    value_bytes = DD_TRY(parse_size(told));
    return {};
  };
}

std::string names_of(const Setters& setters) {
  std::string names;
  for (const auto& [name, unused] : setters) names += (names.empty() ? "" : ", ") + name;
  return names;
}

Status take_section(const Tree& section, const Setters& setters, std::string_view where) {
  for (const auto& [key, node] : section) {
    const auto found = setters.find(key);
    if (found == setters.end())
      return fail(ErrorCode::kUsage,
                  fmt::format("[{}] knows no '{}', but: {}", where, key, names_of(setters)));
    if (const Status taken = found->second(node.data()); !taken)
      return fail(ErrorCode::kUsage, fmt::format("[{}] {}: {}", where, key, taken.error().text));
  }
  return {};
}

struct NamedPeriod {
  std::string_view name;
  RetentionRule::Period period;
};
constexpr NamedPeriod kPeriods[] = {
    {"hourly", RetentionRule::Period::kHour}, {"daily", RetentionRule::Period::kDay},
    {"weekly", RetentionRule::Period::kWeek}, {"monthly", RetentionRule::Period::kMonth},
    {"yearly", RetentionRule::Period::kYear},
};
constexpr std::string_view kEvery = "every ";

Result<RetentionRule> parse_rule(const std::string& key, const std::string& told) {
  RetentionRule rule {
    .name = key, .keep = DD_TRY(parse_count(told))
  };
  for (const NamedPeriod& named : kPeriods) {
    if (key != named.name) continue;
    rule.period = named.period;
    return rule;
  }
  if (!key.starts_with(kEvery))
    return fail(ErrorCode::kUsage,
                "not one of hourly, daily, weekly, monthly, yearly, 'every 15m'");
  rule.period = RetentionRule::Period::kSeconds;
  rule.period_s = DD_TRY(parse_duration_s(std::string_view(key).substr(kEvery.size())));
  return rule;
}

Status take_keep(const Tree& section, JobConfig& config) {
  for (const auto& [key, node] : section) {
    auto rule = parse_rule(key, node.data());
    if (!rule) return fail(ErrorCode::kUsage, fmt::format("[keep] {}: {}", key, rule.error().text));
    config.keep.push_back(*std::move(rule));
  }
  return {};
}

Setter transport(TargetConfig::Transport& value) {
  return [&value](const std::string& told) -> Status {
    static constexpr std::string_view kNames[] = {"rsync", "ssh", "tcp"};
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
      if (told != kNames[i]) continue;
      value = static_cast<TargetConfig::Transport>(i);
      return {};
    }
    return fail(ErrorCode::kUsage, fmt::format("'{}' is not one of rsync, ssh, tcp", told));
  };
}

// The label names files, and stands in messages.
Status check_label(const std::string& label) {
  const auto is_good = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  if (!label.empty() && label.front() != '.' && std::ranges::all_of(label, is_good)) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("[target {}]: a label has letters, digits, '-', '_' and '.'", label));
}

// Names pass shells on both sides, in quotes.
Status check_remote(const TargetConfig& target, std::string_view where) {
  if (target.remote.empty())
    return fail(ErrorCode::kUsage, fmt::format("[{}] needs 'remote'", where));
  for (const std::string* one : {&target.remote, &target.program, &target.host})
    if (one->find_first_of("'\"$`\\") != std::string::npos || one->starts_with('-'))
      return fail(ErrorCode::kUsage,
                  fmt::format("[{}]: '{}' has a quote in it, or begins with a dash", where, *one));
  if (target.transport != TargetConfig::Transport::kRsync && target.host.empty())
    return fail(ErrorCode::kUsage, fmt::format("[{}] needs 'host'", where));
  return {};
}

// What another transport alone understands would be a promise that nobody keeps.
Status check_for_transport(const Tree& section, const TargetConfig& target,
                           std::string_view where) {
  using Transport = TargetConfig::Transport;
  struct Rule {
    const char* key;
    bool is_for_rsync, is_for_ssh, is_for_tcp;
  };
  static constexpr Rule kRules[] = {
      {"ssh", true, true, false},           {"program", false, true, false},
      {"key", false, false, true},          {"cert", false, false, true},
      {"ca", false, false, true},           {"resync", false, true, true},
      {"audit", false, true, true},         {"backlog", true, false, false},
      {"backlog-size", true, false, false},
  };
  for (const Rule& rule : kRules) {
    const bool is_good = target.transport == Transport::kRsync ? rule.is_for_rsync
                         : target.transport == Transport::kSsh ? rule.is_for_ssh
                                                               : rule.is_for_tcp;
    if (!is_good && section.count(rule.key) != 0)
      return fail(ErrorCode::kUsage,
                  fmt::format("[{}]: '{}' means nothing to its transport", where, rule.key));
  }
  return {};
}

Status take_target(const Tree& section, std::string_view where, JobConfig& config) {
  TargetConfig target{.label = std::string(where.substr(where.find(' ') + 1)),
                      .ssh = "ssh -o BatchMode=yes -o ServerAliveInterval=30",
                      .program = "ddsnap"};
  DD_TRY(check_label(target.label));
  const Setters setters = {
      {"transport", transport(target.transport)},
      {"host", text(target.host)},
      {"remote", text(target.remote)},
      {"ssh", text(target.ssh)},
      {"program", text(target.program)},
      {"period", duration(target.period_s)},
      {"rate-limit", size(target.rate_limit_bytes)},
      {"key", text(target.key)},
      {"cert", text(target.certificate)},
      {"ca", text(target.authority)},
      {"backlog", backlog(target.backlog)},
      {"backlog-size", size(target.backlog_bytes)},
      {"resync", yes_or_no(target.resyncs)},
      {"audit", count(target.audit_parts)},
  };
  DD_TRY(take_section(section, setters, where));
  DD_TRY(check_remote(target, where));
  DD_TRY(check_for_transport(section, target, where));
  const bool is_taken =
      std::ranges::find(config.targets, target.label, &TargetConfig::label) != config.targets.end();
  if (is_taken) return fail(ErrorCode::kUsage, fmt::format("[{}] is there twice", where));
  config.targets.push_back(std::move(target));
  return {};
}

Setter device_way(std::string& value) {
  return [&value](const std::string& told) -> Status {
    static constexpr std::string_view kWays[] = {"auto", "dm", "nbdfuse", "none"};
    if (std::ranges::find(kWays, told) == std::end(kWays))
      return fail(ErrorCode::kUsage,
                  fmt::format("'{}' is not one of auto, dm, nbdfuse, none", told));
    value = told;
    return {};
  };
}

Status take_all(const Tree& tree, JobConfig& config) {
  const Setters volume = {
      {"origin", text(config.local.origin)},
      {"snapstore", text(config.local.snapstore)},
      {"metadata", text(config.local.metadata)},
      {"control", text(config.local.control)},
      {"device", device_way(config.local.device)},
      {"server", text(config.server)},
      {"state", text(config.state_folder)},
      {"pre", text(config.pre)},
      {"post", text(config.post)},
      {"freeze", folders(config.freeze)},
      {"take-snapshots", yes_or_no(config.takes_snapshots)},
  };
  const Setters inbox = {
      {"folder", text(config.inbox.folder)},
      {"archive", text(config.inbox.archive)},
      {"force-revert", yes_or_no(config.inbox.puts_strangers_back)},
  };
  for (const auto& [where, section] : tree) {
    if (where == "volume")
      DD_TRY(take_section(section, volume, where));
    else if (where == "inbox")
      DD_TRY(take_section(section, inbox, where));
    else if (where == "keep")
      DD_TRY(take_keep(section, config));
    else if (where.starts_with("target "))
      DD_TRY(take_target(section, where, config));
    else
      return fail(
          ErrorCode::kUsage,
          fmt::format("'{}' is not one of [volume], [keep], [target LABEL], [inbox]", where));
  }
  if (config.server.empty()) return fail(ErrorCode::kUsage, "[volume] needs 'server'");
  if (config.local.origin.empty() != config.local.snapstore.empty())
    return fail(ErrorCode::kUsage, "[volume] needs 'origin' and 'snapstore' together");
  if (tree.count("inbox") != 0 && config.inbox.folder.empty())
    return fail(ErrorCode::kUsage, "[inbox] needs 'folder'");
  return {};
}

}  // namespace

std::string default_config_folder() {
  const char* const folder = std::getenv("DDSNAP_CONFIG_DIR");
  return folder != nullptr && *folder != '\0' ? folder : kDefaultConfigFolder;
}

Result<std::uint32_t> parse_duration_s(std::string_view told) {
  std::uint64_t unit_s = 1;
  std::string_view number = told;
  static constexpr std::pair<char, std::uint64_t> kUnits[] = {
      {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}};
  for (const auto& [letter, seconds] : kUnits)
    if (told.ends_with(letter)) {
      unit_s = seconds;
      number.remove_suffix(1);
    }
  const auto parsed = parse_count(number);
  if (!parsed || *parsed == 0 || *parsed > std::numeric_limits<std::uint32_t>::max() / unit_s)
    return fail(ErrorCode::kUsage, fmt::format("'{}' is no time such as 90s, 15m, 1h, 7d", told));
  return static_cast<std::uint32_t>(*parsed * unit_s);
}

Result<JobConfig> parse_job_config(std::istream& text, const std::string& name) {
  JobConfig config{.name = name, .state_folder = "/var/lib/ddsnap/" + name};
  Tree tree;
  try {
    boost::property_tree::read_ini(text, tree);
  } catch (const boost::property_tree::ini_parser_error& error) {
    return fail(ErrorCode::kUsage, fmt::format("line {}: {}", error.line(), error.message()));
  }
  DD_TRY(take_all(tree, config));
  return config;
}

Result<JobConfig> load_job_config(const std::string& folder, const std::string& name) {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos)
    return fail(ErrorCode::kUsage, fmt::format("'{}' is no name of a volume", name));
  const std::string path = folder + "/" + name + ".conf";
  std::ifstream file(path);
  if (!file) return fail_errno("cannot open", path);
  auto config = parse_job_config(file, name);
  if (!config) return fail(config.error().code, path + ": " + config.error().text);
  return config;
}

Result<std::vector<std::string>> config_names(const std::string& folder) {
  namespace fs = boost::filesystem;
  std::vector<std::string> names;
  boost::system::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".conf" && at->path().filename().string().front() != '.')
      names.push_back(at->path().stem().string());
  if (error) return fail_errno("cannot list", folder, error.value());
  std::ranges::sort(names);
  return names;
}

}  // namespace ddsnap
