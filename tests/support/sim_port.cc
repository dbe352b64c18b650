#include "tests/support/sim_port.h"

#include <algorithm>
#include <cerrno>

#include "ddsnap/base/endian.h"
#include "tests/support/fault_device.h"

namespace ddsnap::test {

namespace {

using FaultKind = SimProcess::Fault::Kind;

// As in SNAPSTORE.md, section 4.
constexpr std::size_t kFlagsAt = 40;
constexpr std::size_t kOperationsAt = 64;
constexpr std::size_t kRemoveKeepsAt = kOperationsAt + 8 + 8;

template <class Value>
Value value_at(const IoRequest& request, std::size_t offset) {
  Value value{};
  if (offset + sizeof value <= request.length_bytes)
    std::memcpy(&value, request.data + offset, sizeof value);
  return value;
}

bool is_write(const IoRequest& request) {
  return request.kind == IoRequest::Kind::kWrite;
}

bool changes_boundaries(SimPoint point) {
  switch (point) {
    case SimPoint::kCreate:
    case SimPoint::kDelete:
    case SimPoint::kBookmark:
    case SimPoint::kDrop:
    case SimPoint::kMarkDropping:
    case SimPoint::kAttribute:
      return true;
    default:
      return false;
  }
}

}  // namespace

SimPoint SimPort::point_of_record(const IoRequest& request) const {
  if ((value_at<std::uint32_t>(request, kFlagsAt) & 1) != 0) return SimPoint::kSeal;
  switch (value_at<std::uint16_t>(request, kOperationsAt)) {
    case 1:
      return SimPoint::kCopyOut;
    case 2:
      return SimPoint::kChanged;
    case 3:
      return SimPoint::kPrivate;
    case 4:
      return SimPoint::kCreate;
    case 5: {
      const auto keeps = value_at<std::uint32_t>(request, kRemoveKeepsAt);
      return keeps == 0 ? SimPoint::kDelete : keeps == 1 ? SimPoint::kBookmark : SimPoint::kDrop;
    }
    case 6:
      return SimPoint::kMarkDropping;
    case 7:
    case 8:
      return SimPoint::kAttribute;
    case 9:
      return SimPoint::kAttach;
    case 10:
      return SimPoint::kDetach;
    case 11:
      return SimPoint::kResize;
    default:
      return SimPoint::kOther;
  }
}

SimPoint SimPort::point_of(const IoRequest& request) const {
  const SimProcess& process = all_.process;
  const std::uint64_t at = request.offset_bytes;
  if (at < kJournalOffset || (has_metadata_ && at == layout_.superblock_offset_bytes(2)))
    return process.is_recovering ? SimPoint::kRecoverySuperblock : SimPoint::kSuperblock;
  const std::uint64_t second_ring = layout_.journal_offset_bytes(1);
  const bool is_record = at < layout_.tables_offset_bytes ||
                         (at >= second_ring && at < second_ring + layout_.journal_bytes);
  if (has_metadata_ && is_record) return point_of_record(request);
  if (has_metadata_ && at < layout_.block_offset_bytes(0) + layout_.table_blocks * 4096) {
    if (process.is_recovering) return SimPoint::kRecoveryTable;
    return process.is_in_background && process.has_read_tables ? SimPoint::kMerge
                                                               : SimPoint::kSpill;
  }
  return process.is_recovering ? SimPoint::kRecoverySlot : SimPoint::kSlot;
}

void SimPort::note(const IoRequest& request) {
  SimProcess& process = all_.process;
  if (!is_write(request)) {
    const std::uint64_t tables_end = layout_.block_offset_bytes(0) + layout_.table_blocks * 4096;
    if (has_metadata_ && request.offset_bytes >= layout_.tables_offset_bytes &&
        request.offset_bytes < tables_end)
      process.has_read_tables = true;
    return;
  }
  if (role_ == SimRole::kOrigin) has_written_origin_ = true;
  process.last_point = point_of(request);
  process.wrote_boundaries |= changes_boundaries(process.last_point);
  ++all_.tally.at(process.last_point).writes;
  ++all_.tally.device_operations;
}

bool SimPort::strikes(FaultKind kind) {
  auto& fault = all_.process.fault;
  if (!fault || fault->kind != kind || fault->role != role_) return false;
  all_.process.has_had_faults = true;
  ++all_.tally.io_errors;
  if (--fault->times == 0) fault.reset();
  return true;
}

bool SimPort::dies_within(std::uint64_t operations) {
  SimProcess& process = all_.process;
  process.operations += operations;
  if (!process.dies_at || process.operations <= *process.dies_at) return false;
  process.is_dead = true;
  ++all_.tally.at(process.last_point).kills;
  return true;
}

// Each request for itself lands or does not, and all of them are said to have failed.
Status SimPort::land_some(std::span<IoRequest> batch, std::string_view why) {
  std::vector<IoRequest> landed;
  for (const IoRequest& request : batch)
    if (is_write(request) && all_.random.below(2) == 0) landed.push_back(request);
  if (!landed.empty()) static_cast<void>(below_.run(landed));
  return refuse(batch, why);
}

Status SimPort::refuse(std::span<IoRequest> batch, std::string_view why) const {
  const auto error = fail_errno(why, name(), EIO);
  for (IoRequest& request : batch) request.status = error;
  return error;
}

// The end comes at one of the batch's writes, or at the flush behind them.
void SimPort::spring_ambush(std::span<const IoRequest> batch, std::uint64_t writes) {
  SimProcess& process = all_.process;
  if (!process.ambush || std::ranges::none_of(batch, [&](const IoRequest& request) {
        return is_write(request) && point_of(request) == process.ambush->point;
      }))
    return;
  const std::uint64_t after = all_.random.below(writes + 1);
  if (process.ambush->cuts_power)
    all_.world.crash_at_operation(all_.world.operations() + after);
  else
    process.dies_at = process.operations + after;
  process.ambush.reset();
}

void SimPort::note_power_cut(SimPoint point) {
  if (all_.world.crashed()) ++all_.tally.at(point).power_cuts;
}

Status SimPort::run(std::span<IoRequest> batch) {
  if (all_.process.is_dead || all_.world.crashed()) return refuse(batch, kPowerCutText);
  const auto writes = static_cast<std::uint64_t>(std::ranges::count_if(batch, is_write));
  for (const IoRequest& request : batch) note(request);
  if (writes != 0) spring_ambush(batch, writes);
  if (dies_within(writes)) return land_some(batch, "the server was killed:");
  if (strikes(writes != 0 ? FaultKind::kWrite : FaultKind::kRead))
    return land_some(batch, kInjectedText);
  const Status done = below_.run(batch);
  if (writes != 0) note_power_cut(all_.process.last_point);
  return done;
}

Status SimPort::flush() {
  SimProcess& process = all_.process;
  if (process.is_dead || all_.world.crashed()) return fail_errno(kPowerCutText, name(), EIO);
  const SimPoint point = role_ == SimRole::kOrigin ? SimPoint::kCreate : process.last_point;
  ++all_.tally.at(point).flushes;
  ++all_.tally.device_operations;
  if (dies_within(1)) return fail_errno("the server was killed:", name(), EIO);
  if (strikes(FaultKind::kFlush)) {
    // An origin that loses its writers' data is told to them; snapshots of it promise nothing.
    if (role_ == SimRole::kOrigin) return fail_errno(kInjectedText, name(), EIO);
    all_.world.fail_flush(all_.world.flushes());
    const Status failed = below_.flush();
    if (role_ == SimRole::kSnapstore) all_.truth.snapstore_flush_failed();
    return failed;
  }
  const Status done = below_.flush();
  note_power_cut(point);
  if (!done) return done;
  if (role_ == SimRole::kOrigin) all_.truth.origin_flushed();
  if (role_ == SimRole::kSnapstore) all_.truth.snapstore_flushed();
  return {};
}

}  // namespace ddsnap::test
