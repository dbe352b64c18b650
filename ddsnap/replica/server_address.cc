#include "ddsnap/replica/server_address.h"

#include <algorithm>

#include "ddsnap/io/open_device.h"

namespace ddsnap {

namespace {

bool may_be_volume(const std::string& named) {
  return !named.empty() && named.front() != '@' && named.front() != '.' &&
         named.find('/') == std::string::npos;
}

}  // namespace

Result<std::string> server_address(const std::string& named, const std::string& config_folder) {
  if (!may_be_volume(named)) return named;
  auto config = load_job_config(config_folder, named);
  if (config) return config->server;
  if (config.error().code == ErrorCode::kUsage) return std::unexpected(config.error());
  return named;
}

Result<std::string> device_address(const std::string& named, const std::string& config_folder) {
  if (!named.starts_with(kDdsnapScheme)) return named;
  const std::size_t hash = std::min(named.find('#'), named.size());
  const std::string server = DD_TRY(server_address(
      named.substr(kDdsnapScheme.size(), hash - kDdsnapScheme.size()), config_folder));
  return std::string(kDdsnapScheme).append(server).append(named, hash);
}

Result<std::string> volume_or_device(const std::string& named, const std::string& config_folder) {
  // "nbd://" and the like have a slash.
  return named.starts_with(kDdsnapScheme) ? device_address(named, config_folder)
                                          : server_address(named, config_folder);
}

}  // namespace ddsnap
