#include "ddsnap/target/snapshot_target.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/limits.h"
#include "ddsnap/target/origin_reader.h"

namespace ddsnap {
namespace {

constexpr std::uint64_t kMaxPieceBytes = 4u << 20;

// The chunks for which `wanted` holds, as ranges.
template <class Wanted>
std::vector<ChunkRange> ranges_of(std::span<const LocatedEntry> entries, Wanted wanted) {
  std::vector<ChunkRange> ranges;
  for (const LocatedEntry& entry : entries) {
    if (!wanted(entry)) continue;
    if (!ranges.empty() && ranges.back().end() == entry.chunk.value)
      ++ranges.back().count;
    else
      ranges.push_back({entry.chunk, 1});
  }
  return ranges;
}

// Puts the answers, which are in order, in the places of what was asked for.
void merge(std::vector<LocatedEntry>& entries, std::span<const LocatedEntry> answers) {
  auto answer = answers.begin();
  for (LocatedEntry& entry : entries)
    if (answer != answers.end() && answer->chunk == entry.chunk) entry = *answer++;
}

Status check_located(const LocatedEntry& entry) {
  if (entry.place != Place::kNowhere) return {};
  return fail_errno(fmt::format("chunk {} of the snapshot is not to be had:", entry.chunk.value),
                    "the server refused it", entry.result_errno);
}

bool is_unknown(const LocatedEntry& entry) {
  return entry.place == Place::kNowhere;
}
bool is_not_private(const LocatedEntry& entry) {
  return entry.place != Place::kPrivate;
}

}  // namespace

SnapshotTarget::SnapshotTarget(TargetOptions options)
    : options_(std::move(options)), parking_(options_.parking), link_(options_.link, *this) {}

Result<std::unique_ptr<SnapshotTarget>> SnapshotTarget::open(TargetOptions options) {
  options.link.role = TargetRole::kSnapshot;
  std::unique_ptr<SnapshotTarget> target(new SnapshotTarget(std::move(options)));
  target->link_.start();
  DD_TRY(target->first_attach_.wait(target->parking_));
  return target;
}

SnapshotTarget::~SnapshotTarget() {
  link_.detach_and_stop();
}

// ---- I/O ----

std::uint32_t SnapshotTarget::piece_chunks() const {
  const std::uint64_t by_bytes = kMaxPieceBytes >> geometry().chunk_shift;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(by_bytes, 1, kMaxReadChunks));
}

Status SnapshotTarget::check_range(ByteRange bytes) const {
  if (bytes.end_bytes() >= bytes.offset_bytes && bytes.end_bytes() <= geometry().volume_bytes)
    return {};
  return fail(ErrorCode::kUsage, "a request beyond the end of the snapshot");
}

Status SnapshotTarget::read(std::uint64_t offset_bytes, std::span<std::byte> into) {
  const IoRequest one = IoRequest::read(offset_bytes, into);
  return read_all({&one, 1});
}

Status SnapshotTarget::read_all(std::span<const IoRequest> reads) {
  const Parking::Stay stay(parking_);
  std::vector<Piece> pieces;
  std::uint64_t chunks = 0;
  for (const IoRequest& request : reads) {
    DD_TRY(check_range({request.offset_bytes, request.length_bytes}));
    std::span<std::byte> into(request.data, request.length_bytes);
    std::uint64_t offset_bytes = request.offset_bytes;
    while (!into.empty()) {
      const std::uint64_t first = geometry().chunk_at(offset_bytes).value;
      const std::uint64_t end_bytes = std::min<std::uint64_t>(
          offset_bytes + into.size(), (first + piece_chunks()) << geometry().chunk_shift);
      const Piece piece{offset_bytes, into.first(end_bytes - offset_bytes)};
      // One question names no chunk twice.
      const bool ascends = pieces.empty() || first >= chunks_of(pieces.back()).end();
      if (!ascends || chunks + chunks_of(piece).count > piece_chunks()) {
        DD_TRY(read_pieces(pieces, stay));
        pieces.clear();
        chunks = 0;
      }
      pieces.push_back(piece);
      chunks += chunks_of(piece).count;
      into = into.subspan(piece.into.size());
      offset_bytes = end_bytes;
    }
  }
  return read_pieces(pieces, stay);
}

Status SnapshotTarget::read_pieces(std::span<const Piece> pieces, const Parking::Stay& stay) {
  if (pieces.empty()) return {};
  for (Outcome outcome = Outcome::kAgain; outcome == Outcome::kAgain;) {
    const Footing footing = DD_TRY(wait_for_line(stay));
    outcome = DD_TRY(try_read(footing, pieces, stay));
  }
  return {};
}

Result<SnapshotTarget::Outcome> SnapshotTarget::try_read(const Footing& footing,
                                                         std::span<const Piece> pieces,
                                                         const Parking::Stay& stay) {
  std::vector<LocatedEntry> entries;
  for (const Piece& piece : pieces) {
    const auto known = recall(chunks_of(piece));
    entries.insert(entries.end(), known.begin(), known.end());
  }
  const auto cut = [&] {
    std::vector<ChunkPart> parts;
    auto rest = std::span<const LocatedEntry>(entries);
    for (const Piece& piece : pieces) {
      const auto own = rest.first(chunks_of(piece).count);
      rest = rest.subspan(own.size());
      const auto more = cut_into_parts(geometry(), piece.offset_bytes, piece.into, own);
      parts.insert(parts.end(), more.begin(), more.end());
    }
    return parts;
  };
  const std::vector<ChunkRange> unknown = ranges_of(entries, is_unknown);
  OriginReader origin;
  if (!unknown.empty()) {
    // Read first, ask after (T5).
    origin.read_unknown(origin_->device(), geometry(), cut());
    const auto answers = ask<LocateMessage>(unknown, footing, stay);
    if (!answers && answers.error().code == ErrorCode::kDisconnected) return Outcome::kAgain;
    if (!answers) return std::unexpected(answers.error());
    merge(entries, *answers);
  }
  for (const LocatedEntry& entry : entries) {
    DD_TRY(check_located(entry));
    if (entry.place == Place::kOrigin) DD_TRY(origin.verdict(entry.chunk));
  }
  auto parts = cut();
  return on_footing(footing, [&] { return read_slots(snapstore_->device(), slots_, parts); });
}

Status SnapshotTarget::look_up(std::span<const ByteRange> ranges) {
  const Parking::Stay stay(parking_);
  std::vector<ChunkRange> question;
  std::uint64_t chunks = 0;
  const auto ask_them = [&]() -> Status {
    if (question.empty()) return {};
    const Footing footing = DD_TRY(wait_for_line(stay));
    // The answers are remembered as they come.
    const auto answers = ask<LocateMessage>(std::move(question), footing, stay);
    question.clear();
    chunks = 0;
    if (!answers && answers.error().code != ErrorCode::kDisconnected)
      return std::unexpected(answers.error());
    return {};
  };
  for (const ByteRange& range : ranges) {
    DD_TRY(check_range(range));
    if (range.length_bytes == 0) continue;
    ChunkRange wanted = geometry().chunks_touching(range);
    while (wanted.count > 0) {
      const auto room = static_cast<std::uint32_t>(kMaxChunksPerQuestion - chunks);
      const ChunkRange part{wanted.first, std::min(wanted.count, room)};
      question.push_back(part);
      chunks += part.count;
      wanted.first.value += part.count;
      wanted.count -= part.count;
      if (chunks == kMaxChunksPerQuestion || question.size() == kMaxRangesPerMessage)
        DD_TRY(ask_them());
    }
  }
  return ask_them();
}

Status SnapshotTarget::write(std::uint64_t offset_bytes, std::span<const std::byte> from) {
  DD_TRY(check_range({offset_bytes, from.size()}));
  const Parking::Stay stay(parking_);
  while (!from.empty()) {
    const std::uint64_t first = geometry().chunk_at(offset_bytes).value;
    const std::uint64_t chunks = std::min(piece_chunks(), kMaxWriteChunks);
    const std::uint64_t end_bytes = std::min<std::uint64_t>(
        offset_bytes + from.size(), (first + chunks) << geometry().chunk_shift);
    const std::size_t length_bytes = end_bytes - offset_bytes;
    Outcome outcome = Outcome::kAgain;
    while (outcome == Outcome::kAgain) {
      const Footing footing = DD_TRY(wait_for_line(stay));
      outcome = DD_TRY(try_write(footing, offset_bytes, from.first(length_bytes), stay));
    }
    from = from.subspan(length_bytes);
    offset_bytes = end_bytes;
  }
  return {};
}

Result<SnapshotTarget::Outcome> SnapshotTarget::try_write(const Footing& footing,
                                                          std::uint64_t offset_bytes,
                                                          std::span<const std::byte> from,
                                                          const Parking::Stay& stay) {
  auto entries = recall(geometry().chunks_touching({offset_bytes, from.size()}));
  const std::vector<ChunkRange> unprepared = ranges_of(entries, is_not_private);
  if (!unprepared.empty()) {
    const auto answers = ask<PrepareSnapshotWriteMessage>(unprepared, footing, stay);
    if (!answers && answers.error().code == ErrorCode::kDisconnected) return Outcome::kAgain;
    if (!answers) return std::unexpected(answers.error());
    merge(entries, *answers);
  }
  for (const LocatedEntry& entry : entries) {
    DD_TRY(check_located(entry));
    if (entry.place != Place::kPrivate)
      return fail(ErrorCode::kDamaged, "the server gave no private slot for a write");
  }
  // write_private_slots() only reads the bytes.
  const std::span<std::byte> bytes(const_cast<std::byte*>(from.data()), from.size());
  const auto parts = cut_into_parts(geometry(), offset_bytes, bytes, entries);
  return on_footing(footing,
                    [&] { return write_private_slots(snapstore_->device(), slots_, parts); });
}

Status SnapshotTarget::flush() {
  return snapstore_->device().flush();
}

Result<std::vector<Extent>> SnapshotTarget::extents(ByteRange range) {
  DD_TRY(check_range(range));
  const Parking::Stay stay(parking_);
  std::vector<Extent> extents;
  while (range.length_bytes > 0) {
    const std::uint64_t first = geometry().chunk_at(range.offset_bytes).value;
    const std::uint64_t end_bytes = std::min<std::uint64_t>(
        range.end_bytes(), (first + kMaxChunksPerQuestion) << geometry().chunk_shift);
    const ChunkRange chunks =
        geometry().chunks_touching({range.offset_bytes, end_bytes - range.offset_bytes});
    const Footing footing = DD_TRY(wait_for_line(stay));
    const auto answers = ask<LocateMessage>({chunks}, footing, stay);
    if (!answers && answers.error().code == ErrorCode::kDisconnected) continue;
    if (!answers) return std::unexpected(answers.error());
    for (const LocatedEntry& entry : *answers) {
      const ByteRange whole = geometry().bytes_of(entry.chunk);
      const std::uint64_t from = std::max(whole.offset_bytes, range.offset_bytes);
      const std::uint64_t length = std::min(whole.end_bytes(), end_bytes) - from;
      const auto kind = entry.place == Place::kZero ? Extent::Kind::kZero : Extent::Kind::kData;
      if (!extents.empty() && extents.back().kind == kind)
        extents.back().range.length_bytes += length;
      else
        extents.push_back({{from, length}, kind});
    }
    range = {end_bytes, range.end_bytes() - end_bytes};
  }
  return extents;
}

// ---- what a request stands on ----

Result<SnapshotTarget::Footing> SnapshotTarget::wait_for_line(const Parking::Stay& stay) {
  std::unique_lock lock(mutex_);
  DD_TRY(stay.wait(lock, changed_, [this] { return is_up_ || refusal_; }));
  if (refusal_) return std::unexpected(*refusal_);
  return Footing{generation_, tickets_.orders_so_far()};
}

std::vector<LocatedEntry> SnapshotTarget::recall(ChunkRange chunks) {
  std::vector<LocatedEntry> entries(chunks.count);
  const std::lock_guard lock(mutex_);
  for (std::uint32_t i = 0; i < chunks.count; ++i) {
    const ChunkNr chunk{chunks.first.value + i};
    entries[i] = cache_.find(chunk).value_or(LocatedEntry{chunk, Place::kNowhere, {}, {}, 0});
  }
  return entries;
}

template <class Question>
Result<std::vector<LocatedEntry>> SnapshotTarget::ask(std::vector<ChunkRange> ranges,
                                                      const Footing& footing,
                                                      const Parking::Stay& stay) {
  const auto send = [&](std::uint64_t request_id) {
    return link_.send(Question{ranges}, request_id, footing.generation);
  };
  return questions_.await(ranges, send, stay);
}

template <class SlotIo>
Result<SnapshotTarget::Outcome> SnapshotTarget::on_footing(const Footing& footing, SlotIo io) {
  const auto is_firm = [&] { return is_up_ && generation_ == footing.generation; };
  std::unique_lock lock(mutex_);
  if (refusal_) return std::unexpected(*refusal_);
  // What was looked up before an order came may be what it takes away.
  if (!is_firm() || tickets_.orders_so_far() != footing.orders) return Outcome::kAgain;
  const IoTickets::Sequence ticket = tickets_.begin();
  lock.unlock();
  const Status status = io();
  lock.lock();
  tickets_.end(ticket);
  acknowledge_what_is_due();
  // Counts only if the line is up after it (T6): one that the server has given up may have lost its
  // place to another target already.
  if (!is_firm() || !link_.is_whole(footing.generation)) return Outcome::kAgain;
  if (!status) return std::unexpected(status.error());
  return Outcome::kDone;
}

void SnapshotTarget::acknowledge_what_is_due() {
  while (!pending_acks_.empty() && tickets_.is_clear_before(pending_acks_.front().order)) {
    const auto invalidation = pending_acks_.front().invalidation;
    pending_acks_.pop_front();
    // A failure needs no answer: the link notices it too.
    if (invalidation)
      (void)link_.send(InvalidateAckMessage{*invalidation}, 0, generation_);
    else
      (void)link_.send(DroppedAckMessage{}, 0, generation_);
  }
}

// ---- the link's thread ----

Status SnapshotTarget::on_attached(const HelloOkMessage& hello_ok, std::uint64_t generation) {
  if (!is_set_up_) DD_TRY(attach_first(hello_ok));
  if (hello_ok.store_uuid != store_uuid_ || hello_ok.snapshot_uuid != snapshot_uuid_)
    return fail(ErrorCode::kUsage, "the server has come back with another store or snapshot");
  DD_TRY(snapstore_->own(hello_ok.attachment_id));
  {
    const std::lock_guard lock(mutex_);
    generation_ = generation;
    is_up_ = true;
    changed_.notify_all();
  }
  first_attach_.succeed();
  return {};
}

Status SnapshotTarget::attach_first(const HelloOkMessage& hello_ok) {
  const auto choose = [](const std::string& own, const std::string& told) {
    return own.empty() ? told : own;
  };
  DD_TRY(check_told_device(options_.link.place.pair.origin, hello_ok.origin_path));
  DD_TRY(check_told_device(options_.link.place.pair.snapstore, hello_ok.snapstore_path));
  const std::string origin_path = choose(options_.origin_path, hello_ok.origin_path);
  const std::string snapstore_path = choose(options_.snapstore_path, hello_ok.snapstore_path);
  origin_ = DD_TRY(OwnedDevice::open(origin_path, hello_ok.is_direct, OwnedDevice::Access::kRead,
                                     options_.engine));
  snapstore_ = DD_TRY(OwnedDevice::open(snapstore_path, hello_ok.is_direct,
                                        OwnedDevice::Access::kWrite, options_.engine));
  store_uuid_ = hello_ok.store_uuid;
  snapshot_uuid_ = hello_ok.snapshot_uuid;
  slots_ = {{hello_ok.chunk_shift, hello_ok.volume_bytes},
            hello_ok.slots_offset_bytes,
            hello_ok.slot_count};
  const DeviceGeometry& origin = origin_->device().geometry();
  const DeviceGeometry& snapstore = snapstore_->device().geometry();
  device_geometry_ = {hello_ok.volume_bytes, std::max(origin.block_bytes, snapstore.block_bytes),
                      std::max(origin.physical_bytes, snapstore.physical_bytes)};
  is_set_up_ = true;
  return {};
}

void SnapshotTarget::on_lost() {
  {
    const std::lock_guard lock(mutex_);
    is_up_ = false;
    cache_.clear();
    pending_acks_.clear();
  }
  questions_.fail_all({ErrorCode::kDisconnected, 0, "the server is not connected"});
}

void SnapshotTarget::refuse(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!refusal_) refusal_ = error;
    cache_.clear();
    changed_.notify_all();
  }
  questions_.fail_all(error);
}

void SnapshotTarget::on_refused(const Error& error) {
  refuse(error);
  first_attach_.fail(error);
}

Status SnapshotTarget::on_frame(const Frame& frame) {
  switch (frame.header.type) {
    case MsgType::kLocated:
      return on_located(frame);
    case MsgType::kInvalidate:
      on_invalidate(DD_TRY(decode<InvalidateMessage>(frame.body)));
      return {};
    case MsgType::kDropped:
      DD_TRY(decode<DroppedMessage>(frame.body));
      on_dropped();
      return {};
    case MsgType::kError:
      questions_.on_failed(DD_TRY(decode<ErrorMessage>(frame.body)).error, frame.header.request_id);
      return {};
    default:
      return fail(ErrorCode::kDamaged, "the server sent a snapshot target what is not for it");
  }
}

Status SnapshotTarget::on_located(const Frame& frame) {
  const auto located = DD_TRY(decode<LocatedMessage>(frame.body));
  {
    const std::lock_guard lock(mutex_);
    // Here, in the order of the messages, so that a later INVALIDATE finds them.
    for (const LocatedEntry& entry : located.entries) cache_.remember(entry);
  }
  return questions_.on_located(located, frame.header.request_id);
}

void SnapshotTarget::on_invalidate(const InvalidateMessage& invalidate) {
  const std::lock_guard lock(mutex_);
  cache_.forget(invalidate.ranges);
  pending_acks_.push_back({tickets_.order(), invalidate.number});
  acknowledge_what_is_due();
}

void SnapshotTarget::on_dropped() {
  refuse({ErrorCode::kDropped, 0, "the snapshot was dropped to make room"});
  const std::lock_guard lock(mutex_);
  pending_acks_.push_back({tickets_.order(), std::nullopt});
  acknowledge_what_is_due();
}

}  // namespace ddsnap
