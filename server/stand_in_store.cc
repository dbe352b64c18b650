#include "server/stand_in_store.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kStandInBytes = 16u << 20;

}  // namespace

Result<StandInStore> StandInStore::make(BlockDevice& origin, const StoreFormat& format,
                                        RandomSource& random) {
  const UniqueFd memory(::memfd_create("ddsnap stand-in", MFD_CLOEXEC));
  if (memory.get() < 0 || ::ftruncate(memory.get(), kStandInBytes) != 0)
    return fail_errno("cannot make", "a stand-in for the snapstore");
  StandInStore stand_in;
  stand_in.memory_ = DD_TRY(FileDevice::open(
      fmt::format("/proc/self/fd/{}", memory.get()),
      {.access = DeviceAccess::kReadWrite, .caching = FileOptions::Caching::kBuffered}));
  const StoreDevices devices{*stand_in.memory_, origin};
  DD_TRY(initialize_store(devices, format, random));
  stand_in.store_ = DD_TRY(SnapStore::open(devices, {}, random));
  return stand_in;
}

}  // namespace ddsnap
