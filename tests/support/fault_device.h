// A wrapper that makes operations fail on purpose: the Nth one, once or for ever, or all that touch
// a range.
//
// Shape     Each Fault counts the operations that match it (kind and range); the one with number
//           `after` fires, and with is_forever every later one too. One failed request of a batch
//           leaves the others alone. A failed write does to the device below what `landed` says.
// Errors    fail_errno() with the fault's errno; the text begins with kInjectedText, so that a
//           checker tells injected faults from real ones.
// Threads   Safe as far as the device below is.
//
// "Fail the Nth I/O until none fires":
//
//     for (std::uint64_t n = 0;; ++n) {
//       FaultDevice device(below);
//       device.inject({.after = n});
//       run_workload(device);                 // must cope
//       if (device.fired() == 0) break;       // every operation had its turn
//     }
#pragma once

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "tests/support/wrapped_device.h"

namespace ddsnap::test {

inline constexpr std::string_view kInjectedText = "injected fault:";
bool is_injected(const Error& error);

struct Fault {
  enum class Landed { kNothing, kFirstHalf, kAll };

  std::optional<DeviceOp> op = std::nullopt;      // none: any operation but extents()
  std::optional<ByteRange> range = std::nullopt;  // none: anywhere. A flush touches no range.
  std::uint64_t after = 0;                        // so many matching operations succeed first
  bool is_forever = false;
  int sys_errno = EIO;
  Landed landed = Landed::kNothing;  // writes and zeroes only
};

class FaultDevice final : public WrappedDevice {
 public:
  using WrappedDevice::WrappedDevice;

  Status run(std::span<IoRequest> batch) override;
  Status flush() override;
  Status discard(ByteRange range) override;
  Status write_zeroes(ByteRange range) override;
  Result<std::vector<Extent>> extents(ByteRange range) override;

  void inject(const Fault& fault);
  // Removes all faults; fired() keeps counting.
  void heal();
  // How many operations were made to fail so far.
  std::uint64_t fired() const;

 private:
  struct Planned {
    Fault fault;
    std::uint64_t seen = 0;
  };
  // The fault that this operation runs into, if any. Counts the operation.
  std::optional<Fault> strike(DeviceOp op, ByteRange range);
  Status failure(DeviceOp op, ByteRange range, const Fault& fault) const;
  void land_part(const IoRequest& request, Fault::Landed landed);

  mutable std::mutex mutex_;
  std::vector<Planned> planned_;  // guarded by mutex_
  std::uint64_t fired_ = 0;       // guarded by mutex_
};

}  // namespace ddsnap::test
