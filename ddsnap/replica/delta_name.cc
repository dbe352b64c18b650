#include "ddsnap/replica/delta_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/filesystem.hpp>
#include <charconv>

namespace ddsnap {

namespace {

namespace fs = boost::filesystem;

constexpr std::size_t kUuidCharacters = 36;
constexpr std::string_view kEnding = ".delta";

}  // namespace

Result<DeltaName> DeltaName::parse(std::string_view name) {
  const auto no_delta = [&] {
    return fail(ErrorCode::kUsage, fmt::format("'{}' is no delta's name", name));
  };
  const std::size_t dash = name.find('-');
  const std::size_t length = dash + 2 * (kUuidCharacters + 1) + kEnding.size();
  if (dash == name.npos || dash == 0 || name.size() != length || !name.ends_with(kEnding))
    return no_delta();
  DeltaName parsed;
  const auto [end, error] = std::from_chars(name.data(), name.data() + dash, parsed.sequence);
  const auto from = Uuid::parse(name.substr(dash + 1, kUuidCharacters));
  const auto to = Uuid::parse(name.substr(dash + kUuidCharacters + 2, kUuidCharacters));
  if (error != std::errc() || !from || !to) return no_delta();
  parsed.from = *from;
  parsed.to = *to;
  if (parsed.text() != name) return no_delta();
  return parsed;
}

std::string DeltaName::text() const {
  return fmt::format("{:08}-{}-{}{}", sequence, from.to_string(), to.to_string(), kEnding);
}

Result<DeltaFolder> DeltaFolder::list(const std::string& path) {
  DeltaFolder found;
  boost::system::error_code error;
  fs::directory_iterator at(path, error);
  if (error == boost::system::errc::no_such_file_or_directory) return found;
  for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with('.') || name.ends_with(".tmp")) continue;
    boost::system::error_code ignored;
    if (fs::is_directory(at->path(), ignored)) continue;
    if (auto delta = DeltaName::parse(name)) {
      found.deltas.push_back(*delta);
    } else {
      found.others.push_back(name);
    }
  }
  if (error) return fail_errno("cannot list", path, error.value());
  std::ranges::sort(found.deltas);
  std::ranges::sort(found.others);
  return found;
}

}  // namespace ddsnap
