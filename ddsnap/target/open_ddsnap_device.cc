#include "ddsnap/target/open_ddsnap_device.h"

#include <unistd.h>

#include <fmt/format.h>

#include "ddsnap/io/open_device.h"
#include "ddsnap/target/origin_device.h"
#include "ddsnap/target/snapshot_device.h"

namespace ddsnap {

Result<std::unique_ptr<BlockDevice>> open_ddsnap_device(std::string_view name) {
  DD_CHECK(name.starts_with(kDdsnapScheme));
  const std::string_view rest = name.substr(kDdsnapScheme.size());
  const std::size_t hash = rest.find('#');
  TargetOptions options;
  options.link.place.server_address = rest.substr(0, hash);
  options.link.label = fmt::format("pid{}", ::getpid());
  if (options.link.place.server_address.empty())
    return fail(ErrorCode::kUsage, fmt::format("{}: names no server socket", name));
  if (hash == rest.npos) {
    auto target = OriginTarget::open(std::move(options));
    if (!target) return with_context(name, target.error());
    return std::make_unique<OriginDevice>(std::string(name), std::move(*target));
  }
  options.engine = IoEngineKind::kThreads;
  options.link.tag = rest.substr(hash + 1);
  if (const Status tag = check_tag(options.link.tag); !tag) return with_context(name, tag.error());
  auto target = SnapshotTarget::open(std::move(options));
  if (!target) return with_context(name, target.error());
  return std::make_unique<SnapshotDevice>(std::string(name), std::move(*target));
}

Result<std::unique_ptr<BlockDevice>> open_any_device(std::string_view name, DeviceAccess access) {
  if (name.starts_with(kDdsnapScheme)) return open_ddsnap_device(name);
  return open_device(name, access);
}

}  // namespace ddsnap
