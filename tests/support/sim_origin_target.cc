#include "tests/support/sim_origin_target.h"

#include <algorithm>
#include <cerrno>

namespace ddsnap::test {

namespace {

constexpr std::size_t kMaxWrites = 8;
constexpr std::size_t kMaxQuestions = 2;

std::vector<ChunkRange> ranges_of(const SimTruth::ChunkSet& chunks) {
  std::vector<ChunkRange> ranges;
  for (std::uint32_t chunk = 0; chunk < chunks.size(); ++chunk) {
    if (!chunks.test(chunk)) continue;
    if (!ranges.empty() && ranges.back().end() == chunk)
      ++ranges.back().count;
    else
      ranges.push_back({{chunk}, 1});
  }
  return ranges;
}

SimTruth::ChunkSet set_of(const std::vector<ChunkRange>& ranges) {
  SimTruth::ChunkSet chunks;
  for (const ChunkRange range : ranges)
    for (std::uint64_t chunk = range.first.value;
         chunk < std::min<std::uint64_t>(range.end(), kSimMaxChunks); ++chunk)
      chunks.set(chunk);
  return chunks;
}

}  // namespace

std::string SimOriginTarget::to_text() const {
  return fmt::format("{}, {} writes, {} in flight{}", SimTarget::to_text(), writes_.size(),
                     in_flight_, is_holding_ ? ", holding" : "");
}

// ---- a user ----

void SimOriginTarget::write() {
  if (is_dead() || may_be_forgotten() || writes_.size() >= kMaxWrites) return;
  ++host_.tally.origin_writes;
  const std::uint32_t sectors = host_.truth.sector_count();
  Write write;
  if (host_.one_in(2)) {  // whole chunks
    const auto chunk = static_cast<std::uint32_t>(host_.random.below(host_.truth.chunk_count()));
    write.first_sector = chunk * kSimChunkSectors;
    write.sector_count = kSimChunkSectors * static_cast<std::uint32_t>(
                                                1 + host_.random.below(host_.one_in(8) ? 8 : 2));
  } else {
    write.first_sector = static_cast<std::uint32_t>(host_.random.below(sectors));
    write.sector_count = static_cast<std::uint32_t>(1 + host_.random.below(2 * kSimChunkSectors));
  }
  write.sector_count = std::min(write.sector_count, sectors - write.first_sector);
  // Two writes to the same place at once may land in any order; users of disks do not do that.
  for (const Write& other : writes_)
    if (write.first_sector < other.first_sector + other.sector_count &&
        other.first_sector < write.first_sector + write.sector_count)
      return;
  const bool is_zero = host_.random.below(100) < host_.shape.zero_percent;
  write.content = is_zero ? 0 : host_.contents.make();
  writes_.push_back(write);
  pump();
}

void SimOriginTarget::read() {
  if (is_dead()) return;
  ++host_.tally.origin_reads;
  const auto sector = static_cast<std::uint32_t>(host_.random.below(host_.truth.sector_count()));
  std::array<std::byte, kSimSectorBytes> bytes;
  if (!host_.origin().read_at(std::uint64_t{sector} * kSimSectorBytes, bytes)) return;
  if (!host_.contents.matches(host_.truth.origin().at(sector), sector, bytes))
    host_.found(fmt::format("the origin's sector {} is not what was written to it", sector));
}

void SimOriginTarget::flush() {
  if (is_dead()) return;
  ++host_.tally.target_flushes;
  host_.flush_origin();
}

void SimOriginTarget::leave() {
  if (is_up() && writes_.empty() && !is_holding_) detach();
}

// ---- the gate ----

SimOriginTarget::ChunkSet SimOriginTarget::chunks_of(const Write& write) {
  ChunkSet chunks;
  const std::uint32_t last = (write.first_sector + write.sector_count - 1) / kSimChunkSectors;
  for (std::uint32_t chunk = write.first_sector / kSimChunkSectors; chunk <= last; ++chunk)
    chunks.set(chunk);
  return chunks;
}

bool SimOriginTarget::is_granted(const Write& write) const {
  const ChunkSet chunks = chunks_of(write);
  return (granted_ & chunks) == chunks;
}

void SimOriginTarget::pump() {
  for (auto write = writes_.begin(); write != writes_.end(); ++write)
    if (!write->is_in_flight && is_granted(*write)) submit_write(write);
  ask();
}

void SimOriginTarget::ask() {
  while (is_up() && !is_holding_ && questions_.size() < kMaxQuestions) {
    ChunkSet wanted;
    for (const Write& write : writes_)
      if (!write.is_in_flight) wanted |= chunks_of(write);
    wanted &= ~granted_;
    for (const auto& [id, asked] : questions_) wanted &= ~asked;
    if (wanted.none()) return;
    const std::uint64_t request_id = ++last_request_id_;
    questions_[request_id] = wanted;
    send(PrepareWriteMessage{ranges_of(wanted)}, request_id);
  }
}

void SimOriginTarget::submit_write(Writes::iterator write) {
  write->is_in_flight = true;
  ++in_flight_;
  const std::uint32_t pieces =
      std::min<std::uint32_t>(write->sector_count, 1 + host_.random.below(3));
  write->pieces_left = pieces;
  std::uint32_t done = 0;
  for (std::uint32_t i = 0; i < pieces; ++i) {
    const std::uint32_t end = write->sector_count * (i + 1) / pieces;
    const std::uint32_t first = write->first_sector + done;
    const std::uint32_t count = end - done;
    done = end;
    ++pieces_under_way_;
    submit(
        io_ns(),
        [this, write, first, count, content = write->content] {
          --pieces_under_way_;
          host_.write_origin(first, count, content);
          if (!is_dead()) on_landed(write);
        },
        [this] { --pieces_under_way_; });
  }
}

void SimOriginTarget::on_landed(Writes::iterator write) {
  if (--write->pieces_left != 0) return;
  writes_.erase(write);
  --in_flight_;
  acknowledge_if_idle();
}

void SimOriginTarget::acknowledge_if_idle() {
  if (!is_acknowledgement_due_ || in_flight_ != 0) return;
  is_acknowledgement_due_ = false;
  send(BarrierAckMessage{barrier_number_}, 0);
}

void SimOriginTarget::refuse(const ChunkSet& chunks, int result_errno) {
  for (auto write = writes_.begin(); write != writes_.end();) {
    const bool is_hit = !write->is_in_flight && (chunks_of(*write) & chunks).any();
    if (!is_hit) {
      ++write;
      continue;
    }
    ++host_.tally.refused;
    if (result_errno == ENOSPC) ++host_.tally.enospc;
    host_.trace("{}: a write was refused with errno {}", label(), result_errno);
    const bool is_lawful = result_errno == ENOSPC ? host_.may_be_full() : host_.may_fail();
    if (!is_lawful)
      host_.found(fmt::format("{}: a write was refused with errno {} for no reason", label(),
                              result_errno));
    write = writes_.erase(write);
  }
}

// ---- what the server says ----

HelloMessage SimOriginTarget::hello() const {
  return {.role = TargetRole::kOrigin};
}

void SimOriginTarget::on_attached(const HelloOkMessage& ok) {
  granted_.reset();
  epoch_ = ok.epoch;
  is_holding_ = false;
  pump();
}

void SimOriginTarget::on_refused(const Error& error) {
  if (error.code == ErrorCode::kNotFound) {
    on_forgotten();
  } else if (!host_.may_fail() && error.code != ErrorCode::kNoSpace) {
    host_.found(fmt::format("{} is refused: {}", label(), error.message()));
  }
}

void SimOriginTarget::on_line_lost() {
  granted_.reset();  // T3
  questions_.clear();
  is_holding_ = false;
  is_acknowledgement_due_ = false;
}

void SimOriginTarget::on_killed() {
  writes_.remove_if([](const Write& write) { return !write.is_in_flight; });
}

void SimOriginTarget::on_message(const Frame& frame) {
  switch (frame.header.type) {
    case MsgType::kGrant:
      return on_grant(decode<GrantMessage>(frame.body).value(), frame.header.request_id);
    case MsgType::kBarrier:
      return on_barrier(decode<BarrierMessage>(frame.body).value().number);
    case MsgType::kRelease:
      return on_release(decode<ReleaseMessage>(frame.body).value());
    case MsgType::kError: {
      const auto question = questions_.find(frame.header.request_id);
      if (question != questions_.end()) {
        const ChunkSet chunks = question->second;
        questions_.erase(question);
        refuse(chunks, EIO);
        pump();
      } else {
        host_.trace("{}: {}", label(), decode<ErrorMessage>(frame.body).value().error.message());
      }
      return;
    }
    default:
      host_.found(fmt::format("{}: a message of type {} is not for an origin target", label(),
                              static_cast<int>(frame.header.type)));
  }
}

void SimOriginTarget::on_grant(const GrantMessage& grant, std::uint64_t request_id) {
  if (grant.result_errno != 0)
    refuse(set_of(grant.ranges), grant.result_errno);
  else if (!is_holding_ && grant.epoch == epoch_)
    granted_ |= set_of(grant.ranges);
  if (grant.is_last) questions_.erase(request_id);
  pump();
}

void SimOriginTarget::on_barrier(std::uint64_t number) {
  is_holding_ = true;
  barrier_number_ = number;
  is_acknowledgement_due_ = true;
  granted_.reset();
  acknowledge_if_idle();
}

void SimOriginTarget::on_release(const ReleaseMessage& release) {
  if (!is_holding_ || release.number != barrier_number_) return;
  is_holding_ = false;
  is_acknowledgement_due_ = false;
  epoch_ = release.epoch;
  granted_.reset();
  pump();
}

}  // namespace ddsnap::test
