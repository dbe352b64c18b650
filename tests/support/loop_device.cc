// LoopDevice: losetup, attached and detached.
#include "tests/support/loop_device.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace ddsnap::test {

Result<std::unique_ptr<LoopDevice>> LoopDevice::attach(const std::string& file,
                                                       unsigned sector_bytes) {
  const std::string command =
      fmt::format("losetup --find --show --sector-size {} '{}' 2>&1", sector_bytes, file);
  std::FILE* const pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) return fail_errno("cannot run", "losetup");
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output.push_back(char(c));
  while (output.ends_with('\n')) output.pop_back();
  if (::pclose(pipe) != 0 || !output.starts_with("/dev/"))
    return fail(ErrorCode::kFailed, "losetup does not work here: " + output);
  return std::unique_ptr<LoopDevice>(new LoopDevice(output));
}

LoopDevice::~LoopDevice() {
  (void)!std::system(fmt::format("losetup --detach '{}'", path_).c_str());
}

}  // namespace ddsnap::test
