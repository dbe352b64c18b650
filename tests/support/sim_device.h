// The simulated disk: a volatile write cache kept apart from durable content, and a power cut at
// any operation.
//
// Units     Sectors of kSimSectorBytes are what survives or not; operations count writes (each
//           request of a batch), zeroes, discards and flushes, of all devices of a world together,
//           from 0 on. Reads are not counted.
// Shape     A SimWorld holds the devices that share one power supply. A write goes to its device's
//           cache; a flush makes durable what that device's cache held when it was called. At the
//           power cut each sector of each unflushed write was kept, dropped, or, where the write
//           was in flight, torn; crash_images() lists such outcomes. Several unflushed writes to a
//           sector may have left an older one. All requests of a batch are in flight together: when
//           the cut hits one of them, any of the others may have landed, later ones too.
// Errors    From operation crash_at on, everything (reads too) fails: kIo, EIO, a text beginning
//           with kPowerCutText.
// Threads   One lock a world; safe from several threads, but only one thread is deterministic.
// Lifetime  Devices live as long as their world.
// Source    SQLite's crash tests (test_vfs: keep, drop or tear each unsynced write).
//
//     for (std::uint64_t crash_at = 0;; ++crash_at) {
//       SimWorld world(seed);
//       SimDevice& store = world.add_device("store", {.size_bytes = kSize});
//       world.crash_at_operation(crash_at);
//       const Acked acked = run_workload(store);          // stops at the first error
//       for (const SimImage& image : world.crash_images(kMaxImages)) {
//         SCOPED_TRACE(image.description);
//         SimWorld after(image, seed);                    // power is back; may crash again
//         check_recovered(after.device(0), acked);
//       }
//       if (!world.crashed()) break;
//     }
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnap/base/random.h"
#include "ddsnap/io/block_device.h"
#include "tests/support/cow_bytes.h"

namespace ddsnap::test {

inline constexpr std::size_t kSimSectorBytes = 512;
inline constexpr std::string_view kPowerCutText = "simulated power cut:";
bool is_power_cut(const Error& error);

// One outcome of a power cut: the content of every device, in the order of add_device(). Cheap to
// copy.
struct SimImage {
  struct Device {
    std::string name;
    DeviceGeometry geometry;
    CowBytes content;
  };
  std::vector<Device> devices;
  std::string description;  // which outcome this is, for a failure message
};

class SimWorld;
class SimImageMaker;

class SimDevice final : public BlockDevice {
 public:
  const DeviceGeometry& geometry() const override { return geometry_; }
  const std::string& name() const override { return name_; }
  Status run(std::span<IoRequest> batch) override;
  Status flush() override;
  Status discard(ByteRange range) override;
  Status write_zeroes(ByteRange range) override;

  // Flushes of this device are acknowledged, but nothing becomes durable by them.
  void ignore_flushes(bool ignore) { ignores_flushes_ = ignore; }
  // What reads see now, and what is durable for certain.
  CowBytes content() const;
  CowBytes durable_content() const;

 private:
  friend class SimWorld;
  friend class SimImageMaker;
  struct Version {
    std::uint64_t write = 0;  // number of the write, in order of submission in the world
    bool in_flight = false;   // at the power cut: may be torn
    bool is_lost = false;     // a flush failed on it: no later flush makes it durable (S10)
    std::vector<std::byte> bytes;
  };

  SimDevice(SimWorld& world, std::string name, const DeviceGeometry& geometry, CowBytes content);
  Status fill(ByteRange range, std::byte value);
  // These require world_.mutex_.
  Status run_one(IoRequest& request);
  void cache(const IoRequest& request);
  void mark_in_flight(std::uint64_t first_write);
  void make_durable();
  void lose_cached();

  SimWorld& world_;
  const std::string name_;
  const DeviceGeometry geometry_;
  bool ignores_flushes_ = false;
  CowBytes durable_;   // guarded by world_.mutex_, as what follows
  CowBytes volatile_;  // durable_ and every cached write
  std::map<std::uint64_t, std::vector<Version>> unflushed_;  // by sector, oldest first
};

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed);
  // The world after the power came back: the image's devices, all of it durable.
  SimWorld(const SimImage& image, std::uint64_t seed);

  // Zeros at birth. Durable content may be preset with `content` (of geometry.size_bytes).
  SimDevice& add_device(std::string name, const DeviceGeometry& geometry);
  SimDevice& add_device(std::string name, const DeviceGeometry& geometry, CowBytes content);
  std::size_t device_count() const { return devices_.size(); }
  SimDevice& device(std::size_t index) { return *devices_.at(index); }

  void crash_at_operation(std::uint64_t operation) { crash_at_ = operation; }
  // The power goes now: nothing more succeeds.
  void crash_now();
  bool crashed() const;
  // Writes and flushes so far; the one that the cut hit included.
  std::uint64_t operations() const;
  std::uint64_t flushes() const;

  // All flushes of all devices, or only the one with this number (from 0), are acknowledged and do
  // nothing: a crash test must then fail, or it tests nothing.
  void ignore_flushes(bool ignore);
  void ignore_flush(std::uint64_t number) { ignored_flush_ = number; }
  // The flush with this number (from 0) fails with EIO; the writes before it stay readable but will
  // never be made durable by a later flush, as the page cache of Linux has it (S10).
  // `count` of them, from that one on.
  void fail_flush(std::uint64_t number, std::uint64_t count = 1) {
    failing_flush_ = number;
    failing_flush_count_ = count;
  }

  // At most max_images outcomes of a power cut at this instant (crashed or not), deterministic by
  // the seed, without repeating the fixed ones: all kept and all dropped always first; then every
  // combination where there are few, otherwise whole writes kept or dropped and single sectors
  // kept, dropped or torn at random. Requires: max_images >= 2.
  std::vector<SimImage> crash_images(std::size_t max_images) const;

 private:
  friend class SimDevice;
  friend class SimImageMaker;
  enum class FlushFate { kWorks, kIgnored, kFails };

  // All of these require mutex_.
  Status count_operation(const SimDevice& device);  // the power cut, if this is it
  Status power_cut(const SimDevice& device) const;
  FlushFate next_flush_fate();

  mutable std::mutex mutex_;
  const std::uint64_t seed_;
  std::vector<std::unique_ptr<SimDevice>> devices_;
  std::optional<std::uint64_t> crash_at_;
  std::optional<std::uint64_t> ignored_flush_;
  std::optional<std::uint64_t> failing_flush_;
  std::uint64_t failing_flush_count_ = 1;
  bool crashed_ = false;
  bool ignores_flushes_ = false;
  std::uint64_t operations_ = 0;
  std::uint64_t writes_ = 0;  // handed to any cache so far, those after the cut included
  std::uint64_t flushes_ = 0;
};

}  // namespace ddsnap::test
