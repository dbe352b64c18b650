// SimDevice: the volatile cache and the power cut. What survives one is in sim_images.cc.
#include "tests/support/sim_device.h"

#include <algorithm>
#include <cerrno>

#include "tests/support/memory_device.h"

namespace ddsnap::test {

bool is_power_cut(const Error& error) {
  return error.text.find(kPowerCutText) != std::string::npos;
}

SimDevice::SimDevice(SimWorld& world, std::string name, const DeviceGeometry& geometry,
                     CowBytes content)
    : world_(world),
      name_(std::move(name)),
      geometry_(geometry),
      durable_(std::move(content)),
      volatile_(durable_) {
  DD_CHECK(geometry_.size_bytes == durable_.size());
  DD_CHECK(geometry_.block_bytes % kSimSectorBytes == 0);
}

// Puts a write into the cache, cut into sectors.
void SimDevice::cache(const IoRequest& request) {
  const std::uint64_t write = world_.writes_++;
  const std::span<const std::byte> data(request.data, request.length_bytes);
  volatile_.write(request.offset_bytes, data);
  for (std::size_t done = 0; done < data.size(); done += kSimSectorBytes) {
    const auto sector = data.subspan(done, std::min(kSimSectorBytes, data.size() - done));
    unflushed_[(request.offset_bytes + done) / kSimSectorBytes].push_back(
        {.write = write, .bytes = {sector.begin(), sector.end()}});
  }
}

void SimDevice::mark_in_flight(std::uint64_t first_write) {
  for (auto& [sector, versions] : unflushed_)
    for (Version& version : versions)
      if (version.write >= first_write) version.in_flight = true;
}

// The newest version that no failed flush has lost becomes durable; lost ones after it stay
// possible.
void SimDevice::make_durable() {
  for (auto entry = unflushed_.begin(); entry != unflushed_.end();) {
    std::vector<Version>& versions = entry->second;
    std::size_t settled = versions.size();
    while (settled > 0 && versions[settled - 1].is_lost) --settled;
    if (settled > 0) {
      durable_.write(entry->first * kSimSectorBytes, versions[settled - 1].bytes);
      versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(settled));
    }
    entry = versions.empty() ? unflushed_.erase(entry) : std::next(entry);
  }
}

void SimDevice::lose_cached() {
  for (auto& [sector, versions] : unflushed_)
    for (Version& version : versions) version.is_lost = true;
}

Status SimDevice::run_one(IoRequest& request) {
  if (request.kind == IoRequest::Kind::kRead) {
    if (world_.crashed_) return world_.power_cut(*this);
    volatile_.read(request.offset_bytes, {request.data, request.length_bytes});
    return {};
  }
  // The write that the cut hits, and those submitted together with it, were on their way and may
  // land: they are cached like the others.
  cache(request);
  if (world_.crashed_) return world_.power_cut(*this);
  return world_.count_operation(*this);
}

Status SimDevice::run(std::span<IoRequest> batch) {
  DD_TRY(admit_batch(*this, batch));
  const std::lock_guard lock(world_.mutex_);
  if (world_.crashed_) {
    for (IoRequest& request : batch) request.status = world_.power_cut(*this);
    return world_.power_cut(*this);
  }
  const std::uint64_t first_write = world_.writes_;
  Status first;
  for (IoRequest& request : batch) {
    request.status = run_one(request);
    if (first && !request.status) first = request.status;
  }
  if (world_.crashed_) mark_in_flight(first_write);
  return first;
}

Status SimDevice::flush() {
  const std::lock_guard lock(world_.mutex_);
  if (world_.crashed_) return world_.power_cut(*this);
  const SimWorld::FlushFate fate = world_.next_flush_fate();
  DD_TRY(world_.count_operation(*this));
  if (fate == SimWorld::FlushFate::kFails) {
    lose_cached();
    return fail_errno("simulated failure of a flush of", name_, EIO);
  }
  if (fate == SimWorld::FlushFate::kWorks && !ignores_flushes_) make_durable();
  return {};
}

Status SimDevice::fill(ByteRange range, std::byte value) {
  DD_TRY(check_range(*this, range));
  const std::vector<std::byte> bytes(range.length_bytes, value);
  return write_at(range.offset_bytes, bytes);
}

Status SimDevice::discard(ByteRange range) {
  return fill(range, kDiscardedByte);
}

Status SimDevice::write_zeroes(ByteRange range) {
  return fill(range, std::byte{0});
}

CowBytes SimDevice::content() const {
  const std::lock_guard lock(world_.mutex_);
  return volatile_;
}

CowBytes SimDevice::durable_content() const {
  const std::lock_guard lock(world_.mutex_);
  return durable_;
}

SimWorld::SimWorld(std::uint64_t seed) : seed_(seed) {}

SimWorld::SimWorld(const SimImage& image, std::uint64_t seed) : seed_(seed) {
  for (const SimImage::Device& device : image.devices)
    add_device(device.name, device.geometry, device.content);
}

SimDevice& SimWorld::add_device(std::string name, const DeviceGeometry& geometry) {
  return add_device(std::move(name), geometry, CowBytes(geometry.size_bytes));
}

SimDevice& SimWorld::add_device(std::string name, const DeviceGeometry& geometry,
                                CowBytes content) {
  devices_.emplace_back(new SimDevice(*this, std::move(name), geometry, std::move(content)));
  return *devices_.back();
}

void SimWorld::crash_now() {
  const std::lock_guard lock(mutex_);
  crashed_ = true;
}

bool SimWorld::crashed() const {
  const std::lock_guard lock(mutex_);
  return crashed_;
}

std::uint64_t SimWorld::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::uint64_t SimWorld::flushes() const {
  const std::lock_guard lock(mutex_);
  return flushes_;
}

void SimWorld::ignore_flushes(bool ignore) {
  const std::lock_guard lock(mutex_);
  ignores_flushes_ = ignore;
}

Status SimWorld::power_cut(const SimDevice& device) const {
  return fail_errno(kPowerCutText, device.name(), EIO);
}

Status SimWorld::count_operation(const SimDevice& device) {
  if (crash_at_ == operations_++) crashed_ = true;
  return crashed_ ? power_cut(device) : Status{};
}

SimWorld::FlushFate SimWorld::next_flush_fate() {
  const std::uint64_t number = flushes_++;
  if (failing_flush_ && number >= *failing_flush_ &&
      number - *failing_flush_ < failing_flush_count_)
    return FlushFate::kFails;
  if (ignores_flushes_ || ignored_flush_ == number) return FlushFate::kIgnored;
  return FlushFate::kWorks;
}

}  // namespace ddsnap::test
