#include "ddsnap/replica/downstream.h"

#include <sys/stat.h>

#include "ddsnap/io/nbd_device.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/downstream_kinds.h"

namespace ddsnap {

bool names_server(const std::string& name) {
  if (name.starts_with('@') || name.starts_with(kDdsnapScheme)) return true;
  struct stat facts{};
  return ::stat(name.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode);
}

Result<std::unique_ptr<Downstream>> Downstream::open(const std::string& name) {
  if (name.find('#') != name.npos && name.starts_with(kDdsnapScheme))
    return fail(ErrorCode::kUsage, name + ": a snapshot cannot receive, only a volume can");
  if (!names_server(name)) return open_downstream_device(name);
  const bool has_scheme = name.starts_with(kDdsnapScheme);
  return open_downstream_volume(has_scheme ? name.substr(kDdsnapScheme.size()) : name);
}

}  // namespace ddsnap
