// SimWorld::crash_images(): which outcomes of a power cut a test gets to see.

#include <fmt/format.h>

#include <algorithm>

#include "tests/support/sim_device.h"

namespace ddsnap::test {

namespace {

// Torn images beyond the full list of untorn ones, where that list is short.
constexpr std::size_t kTornImages = 8;

}  // namespace

// Requires: the world's mutex is held for its whole life.
class SimImageMaker {
 public:
  SimImageMaker(const SimWorld& world, std::size_t max_images)
      : world_(world),
        max_images_(max_images),
        random_(world.seed_ * 0x9e3779b97f4a7c15u + world.operations_) {
    collect();
  }

  std::vector<SimImage> make_all() {
    add_kept("all kept", [](const Version&) { return true; });
    if (sectors_.empty()) return std::move(images_);
    add_kept("all dropped", [](const Version&) { return false; });
    if (combinations() <= max_images_) {
      add_every_combination();
      const std::size_t torn_end = std::min(max_images_, images_.size() + kTornImages);
      while (has_in_flight_ && images_.size() < torn_end) add_torn_sectors();
    } else {
      add_samples();
    }
    return std::move(images_);
  }

 private:
  using Version = SimDevice::Version;
  struct Sector {
    std::size_t device = 0;
    std::uint64_t number = 0;
    const std::vector<Version>* versions = nullptr;
  };

  void collect() {
    for (std::size_t i = 0; i < world_.devices_.size(); ++i) {
      for (const auto& [number, versions] : world_.devices_[i]->unflushed_) {
        sectors_.push_back({i, number, &versions});
        for (const Version& version : versions) {
          writes_.insert(version.write);
          has_in_flight_ = has_in_flight_ || version.in_flight;
        }
      }
    }
    write_list_.assign(writes_.begin(), writes_.end());
  }

  // How many untorn outcomes there are; anything above max_images_ is only known to be above.
  std::uint64_t combinations() const {
    std::uint64_t product = 1;
    for (const Sector& sector : sectors_) {
      product *= sector.versions->size() + 1;
      if (product > max_images_) break;
    }
    return product;
  }

  // An image with what is durable for certain.
  SimImage durable_image(std::string description) const {
    SimImage image{.devices = {}, .description = std::move(description)};
    for (const auto& device : world_.devices_)
      image.devices.push_back({device->name_, device->geometry_, device->durable_});
    return image;
  }

  static void place(SimImage& image, const Sector& sector, std::span<const std::byte> bytes) {
    image.devices[sector.device].content.write(sector.number * kSimSectorBytes, bytes);
  }

  // Each sector gets its newest version that `keep` accepts.
  template <class Keep>
  void add_kept(std::string_view how, Keep keep) {
    SimImage image = durable_image(
        fmt::format("image {} after operation {}: {}", images_.size(), world_.operations_, how));
    for (const Sector& sector : sectors_) {
      const auto kept = std::find_if(sector.versions->rbegin(), sector.versions->rend(), keep);
      if (kept != sector.versions->rend()) place(image, sector, kept->bytes);
    }
    images_.push_back(std::move(image));
  }

  // An odometer over the sectors: digit 0 is "dropped", digit n the nth version. The first
  // combination (all dropped) and the last (all kept) are there already.
  void add_every_combination() {
    const std::uint64_t count = combinations();
    for (std::uint64_t code = 1; code + 1 < count; ++code) {
      SimImage image =
          durable_image(fmt::format("image {} after operation {}: combination {} of {}",
                                    images_.size(), world_.operations_, code, count));
      std::uint64_t rest = code;
      for (const Sector& sector : sectors_) {
        const std::uint64_t radix = sector.versions->size() + 1;
        if (rest % radix > 0) place(image, sector, (*sector.versions)[rest % radix - 1].bytes);
        rest /= radix;
      }
      images_.push_back(std::move(image));
    }
  }

  void add_samples() {
    while (images_.size() < max_images_) {
      switch (random_.below(5)) {
        case 0: {
          const std::uint64_t end = random_write();
          add_kept(fmt::format("writes before number {} kept", end),
                   [&](const Version& version) { return version.write < end; });
          break;
        }
        case 1: {
          const std::uint64_t odd_one = random_write();
          const bool keep_it = random_.below(2) == 0;
          add_kept(fmt::format("only write {} {}", odd_one, keep_it ? "kept" : "dropped"),
                   [&](const Version& version) { return (version.write == odd_one) == keep_it; });
          break;
        }
        case 2:
          add_random_writes();
          break;
        default:
          add_torn_sectors();
      }
    }
  }

  std::uint64_t random_write() { return write_list_[random_.below(write_list_.size())]; }

  void add_random_writes() {
    std::set<std::uint64_t> kept;
    for (const std::uint64_t write : write_list_)
      if (random_.below(2) == 0) kept.insert(write);
    add_kept(fmt::format("{} of {} writes kept", kept.size(), write_list_.size()),
             [&](const Version& version) { return kept.contains(version.write); });
  }

  // Each sector for itself: kept, dropped, an older version, or torn where it was in flight.
  void add_torn_sectors() {
    SimImage image = durable_image(
        fmt::format("image {} after operation {}: sectors kept, dropped and torn at random",
                    images_.size(), world_.operations_));
    const std::uint64_t drop_in_8 = 1 + 3 * random_.below(3);  // 1, 4 or 7 of 8 are dropped
    for (const Sector& sector : sectors_) {
      if (random_.below(8) < drop_in_8) continue;
      // The newest one mostly: older ones survive when the cache reorders.
      std::size_t chosen = sector.versions->size() - 1;
      if (random_.below(4) == 0) chosen = random_.below(sector.versions->size());
      const Version& version = (*sector.versions)[chosen];
      if (version.in_flight && random_.below(2) == 0)
        tear(image, sector, version);
      else
        place(image, sector, version.bytes);
    }
    images_.push_back(std::move(image));
  }

  // Leaves half of the new content, cut anywhere, over what the image has; or garbage.
  void tear(SimImage& image, const Sector& sector, const Version& version) {
    std::vector<std::byte> torn(version.bytes.size());
    const std::size_t cut = random_.below(torn.size() + 1);
    image.devices[sector.device].content.read(sector.number * kSimSectorBytes, torn);
    const auto middle = static_cast<std::ptrdiff_t>(random_.below(2) == 0 ? torn.size() / 2 : cut);
    switch (random_.below(3)) {
      case 0:
        std::copy_n(version.bytes.begin(), middle, torn.begin());
        break;
      case 1:
        std::copy(version.bytes.begin() + middle, version.bytes.end(), torn.begin() + middle);
        break;
      default:
        random_.fill(torn);
    }
    place(image, sector, torn);
  }

  const SimWorld& world_;
  const std::size_t max_images_;
  SeededRandom random_;
  std::vector<Sector> sectors_;
  std::set<std::uint64_t> writes_;
  std::vector<std::uint64_t> write_list_;
  bool has_in_flight_ = false;
  std::vector<SimImage> images_;
};

std::vector<SimImage> SimWorld::crash_images(std::size_t max_images) const {
  DD_CHECK(max_images >= 2);
  const std::lock_guard lock(mutex_);
  return SimImageMaker(*this, max_images).make_all();
}

}  // namespace ddsnap::test
