#include "tests/support/sim_snapshot_target.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ddsnap/base/hash.h"

namespace ddsnap::test {

namespace {

constexpr std::size_t kMaxRequests = 4;

bool is_unknown(const LocatedEntry& entry) {
  return entry.place == Place::kNowhere && entry.result_errno == 0;
}

bool is_in_slot(const LocatedEntry& entry) {
  return entry.place == Place::kSlot || entry.place == Place::kPrivate;
}

}  // namespace

std::string SimSnapshotTarget::to_text() const {
  return fmt::format("{} of {}, {} requests, {} questions{}", SimTarget::to_text(), tag_,
                     requests_.size(), questions_.size(), is_refused_ ? ", refused" : "");
}

bool SimSnapshotTarget::may_use(const Uuid& snapshot) const {
  if (snapshot != snapshot_ || snapshot.is_nil()) return false;
  if (is_dead()) return writes_under_way_ != 0;
  // Whatever it has said of forgetting them: it is there.
  const bool is_at_slots = std::ranges::any_of(requests_, &Request::is_in_slot_io);
  return is_attached() && !may_be_forgotten() &&
         (!is_refused_ || !pending_acks_.empty() || is_at_slots);
}

std::uint64_t SimSnapshotTarget::slot_offset(SlotNr slot) const {
  return slots_offset_bytes_ + std::uint64_t{slot.value} * kSimChunkBytes;
}

// ---- a user ----

void SimSnapshotTarget::flush() {
  if (is_dead() || is_refused_) return;
  ++host_.tally.target_flushes;
  host_.flush_snapstore();
}

void SimSnapshotTarget::leave() {
  if (is_up() && requests_.empty() && pending_acks_.empty()) detach();
}

void SimSnapshotTarget::begin(bool is_write) {
  if (is_dead() || is_refused_ || may_be_forgotten() || requests_.size() >= kMaxRequests) return;
  ++(is_write ? host_.tally.snapshot_writes : host_.tally.snapshot_reads);
  const std::uint32_t chunks = host_.truth.chunk_count();
  Request request{
      .number = ++last_request_, .is_write = is_write, .begun_ns = host_.events.now_ns()};
  request.first_chunk = static_cast<std::uint32_t>(host_.random.below(chunks));
  const auto most = std::min<std::uint64_t>(chunks - request.first_chunk, is_write ? 2 : 4);
  request.chunk_count = static_cast<std::uint32_t>(1 + host_.random.below(most));
  if (is_write) {
    const std::uint32_t first = request.first_chunk * kSimChunkSectors;
    const std::uint32_t end =
        std::min(first + request.chunk_count * kSimChunkSectors, host_.truth.sector_count());
    const std::uint32_t inside = static_cast<std::uint32_t>(host_.random.below(kSimChunkSectors));
    request.first_sector = std::min(first + inside, end - 1);
    request.sector_count =
        static_cast<std::uint32_t>(1 + host_.random.below(end - request.first_sector));
    request.chunk_count = (request.first_sector + request.sector_count - 1) / kSimChunkSectors -
                          request.first_chunk + 1;
    request.content = host_.contents.make();
    for (const Request& other : requests_)
      if (other.is_write && request.first_sector < other.first_sector + other.sector_count &&
          other.first_sector < request.first_sector + request.sector_count)
        return;
  }
  host_.trace("{} of {} {} chunks {} to {}", label(), tag_, is_write ? "writes" : "reads",
              request.first_chunk, request.first_chunk + request.chunk_count - 1);
  requests_.push_back(std::move(request));
  if (is_up()) try_now(std::prev(requests_.end()));
}

// ---- one try ----

// T6: not what was last heard of the line, but whether it is whole now.
bool SimSnapshotTarget::is_firm(const Request& request) const {
  return is_up() && generation() == request.generation && has_whole_line();
}

void SimSnapshotTarget::recall(Request& request) {
  request.entries.clear();
  for (std::uint32_t i = 0; i < request.chunk_count; ++i) {
    const std::uint32_t chunk = request.first_chunk + i;
    const auto known = cache_.find(chunk);
    const bool is_usable =
        known != cache_.end() && (!request.is_write || known->second.place == Place::kPrivate);
    request.entries.push_back(is_usable ? known->second
                                        : LocatedEntry{{chunk}, Place::kNowhere, {}, {}, 0});
  }
}

void SimSnapshotTarget::try_now(Requests::iterator request) {
  request->is_waiting = false;
  request->generation = generation();
  request->orders = orders_;
  recall(*request);
  request->bytes.assign(std::size_t{request->chunk_count} * kSimChunkBytes, std::byte{0});
  const bool has_unknown = std::ranges::any_of(request->entries, is_unknown);
  if (!has_unknown) return use_slots(request);
  if (request->is_write) return ask(request);
  submit(io_ns(), [this, request] { read_origin(request, false); }, [] {});
}

void SimSnapshotTarget::try_again(Requests::iterator request) {
  request->is_waiting = true;
  if (is_refused_) return fail(request, EIO, "the snapshot was given up");
  if (is_up() && has_whole_line())
    later(100'000, [this, number = request->number] { retry(number); });
}

void SimSnapshotTarget::retry(std::uint64_t number) {
  const auto request = std::ranges::find(requests_, number, &Request::number);
  if (request != requests_.end() && request->is_waiting && is_up()) try_now(request);
}

// T5: read first, ask after.
void SimSnapshotTarget::read_origin(Requests::iterator request, bool is_second_half) {
  if (is_dead()) return;
  constexpr std::size_t kHalf = kSimChunkBytes / 2;
  for (const LocatedEntry& entry : request->entries) {
    if (!is_unknown(entry)) continue;
    const std::uint64_t offset =
        std::uint64_t{entry.chunk.value} * kSimChunkBytes + (is_second_half ? kHalf : 0);
    if (offset >= host_.shape.volume_bytes) continue;
    const std::size_t length = std::min<std::uint64_t>(kHalf, host_.shape.volume_bytes - offset);
    const std::size_t at =
        (entry.chunk.value - request->first_chunk) * kSimChunkBytes + (is_second_half ? kHalf : 0);
    if (!host_.origin().read_at(offset, std::span(request->bytes).subspan(at, length))) return;
  }
  if (is_second_half) return ask(request);
  submit(io_ns(), [this, request] { read_origin(request, true); }, [] {});
}

void SimSnapshotTarget::ask(Requests::iterator request) {
  if (!is_firm(*request)) return try_again(request);
  std::vector<ChunkRange> ranges;
  request->answers_left = 0;
  for (const LocatedEntry& entry : request->entries) {
    if (!is_unknown(entry)) continue;
    ++request->answers_left;
    if (!ranges.empty() && ranges.back().end() == entry.chunk.value)
      ++ranges.back().count;
    else
      ranges.push_back({entry.chunk, 1});
  }
  const std::uint64_t request_id = ++last_request_id_;
  questions_[request_id] = request;
  if (request->is_write)
    send(PrepareSnapshotWriteMessage{ranges}, request_id);
  else
    send(LocateMessage{ranges}, request_id);
}

void SimSnapshotTarget::on_located(const LocatedMessage& located, std::uint64_t request_id) {
  const auto found = questions_.find(request_id);
  if (found == questions_.end()) return;
  const Requests::iterator request = found->second;
  if (host_.is_verbose())
    for (const LocatedEntry& entry : located.entries)
      host_.trace("{}: chunk {} is at {} {}", label(), entry.chunk.value,
                  static_cast<int>(entry.place), entry.slot.value);
  for (const LocatedEntry& entry : located.entries) {
    const std::uint64_t at = std::uint64_t{entry.chunk.value} - request->first_chunk;
    if (at >= request->entries.size() || request->answers_left == 0)
      return host_.found(fmt::format("{}: an answer about what was not asked", label()));
    request->entries[at] = entry;
    --request->answers_left;
    if (entry.place != Place::kOrigin && entry.place != Place::kNowhere)
      cache_[entry.chunk.value] = entry;
  }
  if (!located.is_last) return;
  questions_.erase(found);
  if (request->answers_left != 0)
    return host_.found(fmt::format("{}: not all chunks were answered", label()));
  use_slots(request);
}

void SimSnapshotTarget::use_slots(Requests::iterator request) {
  if (is_refused_) return fail(request, EIO, "the snapshot was given up");
  for (const LocatedEntry& entry : request->entries)
    if (entry.place == Place::kNowhere)
      return fail(request, entry.result_errno,
                  fmt::format("chunk {} is not to be had", entry.chunk.value));
  // What was looked up before an order came may be what it takes away.
  if (!is_firm(*request) || request->orders != orders_) return try_again(request);
  request->is_in_slot_io = true;
  if (request->is_write) return write_slots(request);
  if (std::ranges::none_of(request->entries, is_in_slot)) return finish_slot_io(request);
  submit(io_ns(), [this, request] { read_slots(request, false); }, [] {});
}

void SimSnapshotTarget::read_slots(Requests::iterator request, bool is_second_half) {
  if (is_dead()) return;
  constexpr std::size_t kHalf = kSimChunkBytes / 2;
  for (std::size_t i = 0; i < request->entries.size(); ++i) {
    if (!is_in_slot(request->entries[i])) continue;
    const std::size_t in_chunk = is_second_half ? kHalf : 0;
    if (!host_.snapstore().read_at(
            slot_offset(request->entries[i].slot) + in_chunk,
            std::span(request->bytes).subspan(i * kSimChunkBytes + in_chunk, kHalf)))
      return;
  }
  if (is_second_half) return finish_slot_io(request);
  submit(io_ns(), [this, request] { read_slots(request, true); }, [] {});
}

void SimSnapshotTarget::write_slots(Requests::iterator request) {
  request->pieces_left = 0;
  for (const LocatedEntry& entry : request->entries) {
    if (entry.place != Place::kPrivate)
      return host_.found(fmt::format("{}: no private slot for a write", label()));
    const std::uint32_t chunk_sector = entry.chunk.value * kSimChunkSectors;
    const std::uint32_t first = std::max(request->first_sector, chunk_sector);
    const std::uint32_t end =
        std::min(request->first_sector + request->sector_count, chunk_sector + kSimChunkSectors);
    if (first >= end) continue;
    ++request->pieces_left;
    ++writes_under_way_;
    host_.truth.private_write_begins(snapshot_, entry.chunk.value, host_.events.now_ns());
    submit(
        io_ns(),
        [this, request, first, end, offset = slot_offset(entry.slot), snapshot = snapshot_,
         content = request->content] {
          --writes_under_way_;
          land(snapshot, offset, first, end - first, content);
          if (!is_dead() && --request->pieces_left == 0) finish_slot_io(request);
        },
        [this, snapshot = snapshot_, chunk = entry.chunk.value] {
          --writes_under_way_;
          host_.truth.private_write_ends(snapshot, chunk, host_.events.now_ns());
        });
  }
}

void SimSnapshotTarget::land(const Uuid& snapshot, std::uint64_t slot_offset,
                             std::uint32_t first_sector, std::uint32_t count, ContentId content) {
  host_.trace("{}: a write to chunk {} lands", label(), first_sector / kSimChunkSectors);
  std::vector<std::byte> bytes(std::size_t{count} * kSimSectorBytes);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto sector = host_.contents.bytes_of(content, first_sector + i);
    std::copy(sector.begin(), sector.end(), bytes.begin() + i * kSimSectorBytes);
    host_.truth.private_written(snapshot, first_sector + i, content);
  }
  const std::uint64_t in_chunk = std::uint64_t{first_sector % kSimChunkSectors} * kSimSectorBytes;
  static_cast<void>(host_.snapstore().write_at(slot_offset + in_chunk, bytes));
  host_.note_target_operation(SimPoint::kTargetWrite, 1);
  host_.truth.private_write_ends(snapshot, first_sector / kSimChunkSectors, host_.events.now_ns());
}

void SimSnapshotTarget::finish_slot_io(Requests::iterator request) {
  request->is_in_slot_io = false;
  acknowledge_what_is_due();
  if (!is_firm(*request)) return try_again(request);  // T6: counts only with the line up after it
  if (!request->is_write)
    if (auto wrong = check(*request); !wrong.empty())
      host_.found(fmt::format("{} ({}): {}", label(), tag_, wrong));
  end(request);
}

std::string SimSnapshotTarget::check(const Request& request) const {
  const SimTruth::Boundary* truth = host_.truth.find(snapshot_);
  if (truth == nullptr || truth->kind != BoundaryKind::kLive)
    return "a snapshot that is no more was read";
  for (std::uint32_t i = 0; i < request.chunk_count; ++i) {
    const std::uint32_t chunk = request.first_chunk + i;
    const LocatedEntry& entry = request.entries[i];
    auto bytes = std::span(request.bytes).subspan(std::size_t{i} * kSimChunkBytes, kSimChunkBytes);
    const std::vector<std::byte> zeros(kSimChunkBytes);
    if (entry.place == Place::kZero)
      bytes = std::span(const_cast<std::byte*>(zeros.data()), kSimChunkBytes);
    if (entry.place == Place::kSlot && verifies_ && hash_chunk(bytes) != entry.hash)
      return fmt::format("chunk {}: slot {} has another hash (S5)", chunk, entry.slot.value);
    if (truth->writers[chunk] != 0 || truth->touched[chunk] >= request.begun_ns) continue;
    for (std::uint32_t s = 0; s < kSimChunkSectors; ++s) {
      const std::uint32_t sector = chunk * kSimChunkSectors + s;
      if (sector >= host_.truth.sector_count()) break;
      if (!host_.contents.matches(truth->image.at(sector), sector,
                                  bytes.subspan(s * kSimSectorBytes, kSimSectorBytes)))
        return fmt::format("chunk {} sector {} (place {}, slot {}) was read as it never was", chunk,
                           s, static_cast<int>(entry.place), entry.slot.value);
    }
  }
  return {};
}

void SimSnapshotTarget::end(Requests::iterator request) {
  std::erase_if(questions_, [&](const auto& question) { return question.second == request; });
  requests_.erase(request);
}

void SimSnapshotTarget::fail(Requests::iterator request, int result_errno, const std::string& why) {
  ++host_.tally.refused;
  if (result_errno == ENOSPC) ++host_.tally.enospc;
  host_.trace("{}: a request failed: {} (errno {})", label(), why, result_errno);
  const SimTruth::Boundary* truth = host_.truth.find(snapshot_);
  const bool is_lost = truth == nullptr || !truth->is_readable();
  const bool is_lawful = is_lost || host_.may_fail() ||
                         (result_errno == ENOSPC && request->is_write && host_.may_be_full());
  if (!is_lawful)
    host_.found(fmt::format("{}: {} (errno {}), and snapshot {} is there", label(), why,
                            result_errno, tag_));
  end(request);
}

void SimSnapshotTarget::fail_all() {
  for (auto request = requests_.begin(); request != requests_.end();) {
    const auto next = std::next(request);
    const bool is_asking = std::ranges::any_of(
        questions_, [&](const auto& question) { return question.second == request; });
    if (request->is_waiting || is_asking) fail(request, EIO, "the snapshot was given up");
    request = next;
  }
}

// ---- what the server says ----

HelloMessage SimSnapshotTarget::hello() const {
  return {.role = TargetRole::kSnapshot,
          .snapshot_uuid = is_attached() ? snapshot_ : Uuid{},
          .tag = is_attached() ? "" : tag_};
}

void SimSnapshotTarget::on_attached(const HelloOkMessage& ok) {
  if (!snapshot_.is_nil() && ok.snapshot_uuid != snapshot_)
    host_.found(fmt::format("{} came back to another snapshot (T4)", label()));
  snapshot_ = ok.snapshot_uuid;
  slots_offset_bytes_ = ok.slots_offset_bytes;
  for (auto request = requests_.begin(); request != requests_.end();) {
    const auto next = std::next(request);  // a try may end at once
    if (request->is_waiting) try_now(request);
    request = next;
  }
}

void SimSnapshotTarget::on_refused(const Error& error) {
  const bool is_final = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kDropped ||
                        error.code == ErrorCode::kUsage;
  if (!is_final) return;
  if (error.code == ErrorCode::kNotFound) on_forgotten();
  kill();
}

void SimSnapshotTarget::on_line_lost() {
  cache_.clear();
  pending_acks_.clear();
  for (const auto& [id, request] : questions_) request->is_waiting = true;
  questions_.clear();
}

void SimSnapshotTarget::on_message(const Frame& frame) {
  switch (frame.header.type) {
    case MsgType::kLocated:
      return on_located(decode<LocatedMessage>(frame.body).value(), frame.header.request_id);
    case MsgType::kInvalidate: {
      const auto order = decode<InvalidateMessage>(frame.body).value();
      for (const ChunkRange range : order.ranges)
        for (std::uint64_t chunk = range.first.value; chunk < range.end(); ++chunk)
          cache_.erase(static_cast<std::uint32_t>(chunk));
      pending_acks_.push_back({++orders_, order.number});
      host_.trace("{} is to forget {} ranges, order {}", label(), order.ranges.size(),
                  order.number);
      return acknowledge_what_is_due();
    }
    case MsgType::kDropped:
      is_refused_ = true;
      cache_.clear();
      pending_acks_.push_back({++orders_, std::nullopt});
      fail_all();
      return acknowledge_what_is_due();
    case MsgType::kError: {
      const auto question = questions_.find(frame.header.request_id);
      if (question != questions_.end())
        fail(question->second, EIO, decode<ErrorMessage>(frame.body).value().error.message());
      return;
    }
    default:
      host_.found(fmt::format("{}: a message of type {} is not for a snapshot target", label(),
                              static_cast<int>(frame.header.type)));
  }
}

void SimSnapshotTarget::acknowledge_what_is_due() {
  while (!pending_acks_.empty()) {
    const PendingAck& ack = pending_acks_.front();
    const bool is_clear = std::ranges::none_of(requests_, [&](const Request& request) {
      return request.is_in_slot_io && request.orders < ack.order;
    });
    if (!is_clear || !is_up()) return;
    host_.trace("{} acknowledges {}", label(), ack.invalidation.value_or(0));
    if (ack.invalidation)
      send(InvalidateAckMessage{*ack.invalidation}, 0);
    else
      send(DroppedAckMessage{}, 0);
    pending_acks_.pop_front();
  }
}

}  // namespace ddsnap::test
