#include "ddsnap/io/open_device.h"

#include <string>

#include "ddsnap/io/file_device.h"
#include "ddsnap/io/nbd_device.h"

namespace ddsnap {

Result<std::unique_ptr<BlockDevice>> open_device(std::string_view name, DeviceAccess access) {
  if (name.empty()) return fail(ErrorCode::kUsage, "a device name is empty");
  if (name.starts_with(kDdsnapScheme))
    return fail(ErrorCode::kUsage, std::string(name) +
                                       " names a volume or snapshot of a ddsnap server, and a path "
                                       "or an NBD URI is wanted here");
  if (is_nbd_uri(name)) return DD_TRY(NbdDevice::open(std::string(name), access));
  return DD_TRY(FileDevice::open(
      std::string(name),
      {.access = access, .leaves_cache_alone = access == DeviceAccess::kReadOnly}));
}

}  // namespace ddsnap
