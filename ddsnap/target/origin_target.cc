#include "ddsnap/target/origin_target.h"

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

OriginTarget::OriginTarget(TargetOptions options)
    : options_(std::move(options)), parking_(options_.parking), link_(options_.link, *this) {}

Result<std::unique_ptr<OriginTarget>> OriginTarget::open(TargetOptions options) {
  std::unique_ptr<OriginTarget> target(new OriginTarget(std::move(options)));
  target->link_.start();
  DD_TRY(target->first_attach_.wait(target->parking_));
  return target;
}

OriginTarget::~OriginTarget() {
  link_.detach_and_stop();
}

// ---- I/O ----

Status OriginTarget::read(std::uint64_t offset_bytes, std::span<std::byte> into) {
  return origin_->device().read_at(offset_bytes, into);
}

template <class WritePiece>
Status OriginTarget::in_pieces(ByteRange range, WritePiece write_piece) {
  if (range.end_bytes() < range.offset_bytes || range.end_bytes() > geometry_.volume_bytes)
    return fail(ErrorCode::kUsage, "a request beyond the end of the volume");
  while (range.length_bytes > 0) {
    const std::uint64_t first = geometry_.chunk_at(range.offset_bytes).value;
    const std::uint64_t piece_end_bytes =
        std::min(range.end_bytes(), (first + kMaxWriteChunks) << geometry_.chunk_shift);
    const ByteRange piece{range.offset_bytes, piece_end_bytes - range.offset_bytes};
    DD_TRY(gate_->enter(geometry_.chunks_touching(piece)));
    const Status status = write_piece(piece);
    gate_->leave();
    if (!status) return status;
    range = {piece_end_bytes, range.end_bytes() - piece_end_bytes};
  }
  return {};
}

Status OriginTarget::write(std::uint64_t offset_bytes, std::span<const std::byte> from,
                           Durability durability) {
  DD_TRY(in_pieces({offset_bytes, from.size()}, [&](ByteRange piece) {
    return origin_->device().write_at(
        piece.offset_bytes, from.subspan(piece.offset_bytes - offset_bytes, piece.length_bytes));
  }));
  if (durability == Durability::kFua) return flush();
  return {};
}

Status OriginTarget::write_zeroes(ByteRange range, Durability durability) {
  DD_TRY(in_pieces(range, [&](ByteRange piece) { return origin_->device().write_zeroes(piece); }));
  if (durability == Durability::kFua) return flush();
  return {};
}

Status OriginTarget::discard(ByteRange range) {
  if (range.end_bytes() < range.offset_bytes || range.end_bytes() > geometry_.volume_bytes)
    return fail(ErrorCode::kUsage, "a request beyond the end of the volume");
  const std::uint64_t chunk_bytes = geometry_.chunk_bytes();
  std::uint64_t first = round_up(range.offset_bytes, chunk_bytes) / chunk_bytes;
  const std::uint64_t end = range.end_bytes() / chunk_bytes;
  while (first < end) {
    const ChunkNr chunk{static_cast<std::uint32_t>(first)};
    const auto left = static_cast<std::uint32_t>(std::min<std::uint64_t>(end - first, 4096));
    const std::uint32_t run = gate_->granted_run(chunk, left);
    if (run > 0) DD_TRY(discard_granted({chunk, run}));
    first += std::max(run, 1u);
  }
  return {};
}

Status OriginTarget::discard_granted(ChunkRange chunks) {
  if (!gate_->try_enter(chunks)) return {};
  const Status status = origin_->device().discard(
      {geometry_.offset_of(chunks.first), std::uint64_t{chunks.count} << geometry_.chunk_shift});
  gate_->leave();
  return status;
}

Result<std::vector<Extent>> OriginTarget::extents(ByteRange range) {
  return origin_->device().extents(range);
}

Status OriginTarget::flush() {
  return origin_->device().flush();
}

// ---- the link's thread ----

Status OriginTarget::on_attached(const HelloOkMessage& hello_ok, std::uint64_t generation) {
  if (!gate_) DD_TRY(attach_first(hello_ok));
  DD_TRY(check_same_store(hello_ok));
  // Before the first grant under this attachment can be used (S8).
  DD_TRY(origin_->own(hello_ok.attachment_id));
  generation_ = generation;
  gate_->open(hello_ok.epoch);
  first_attach_.succeed();
  return {};
}

Status OriginTarget::attach_first(const HelloOkMessage& hello_ok) {
  DD_TRY(check_told_device(options_.link.place.pair.origin, hello_ok.origin_path));
  const std::string& path =
      options_.origin_path.empty() ? hello_ok.origin_path : options_.origin_path;
  auto origin = DD_TRY(OwnedDevice::open(path, hello_ok.is_direct, OwnedDevice::Access::kWrite));
  if (origin->device().size_bytes() < hello_ok.volume_bytes)
    return fail(ErrorCode::kUsage, path + ": smaller than the volume that the server knows");
  geometry_ = {hello_ok.chunk_shift, hello_ok.volume_bytes};
  store_uuid_ = hello_ok.store_uuid;
  origin_ = std::move(origin);
  gate_ =
      std::make_unique<WriteGate>(geometry_.chunk_count(), static_cast<GateLine&>(*this), parking_);
  return {};
}

Status OriginTarget::check_same_store(const HelloOkMessage& hello_ok) const {
  // A volume that has grown has all that this target serves.
  if (hello_ok.store_uuid == store_uuid_ && hello_ok.chunk_shift == geometry_.chunk_shift &&
      hello_ok.volume_bytes >= geometry_.volume_bytes)
    return {};
  return fail(ErrorCode::kUsage, "the server has come back with another store or a smaller volume");
}

void OriginTarget::on_refused(const Error& error) {
  if (gate_) gate_->refuse(error);
  first_attach_.fail(error);
}

Status OriginTarget::on_frame(const Frame& frame) {
  switch (frame.header.type) {
    case MsgType::kGrant:
      gate_->on_grant(DD_TRY(decode<GrantMessage>(frame.body)), frame.header.request_id);
      return {};
    case MsgType::kBarrier:
      gate_->on_barrier(DD_TRY(decode<BarrierMessage>(frame.body)).number);
      return {};
    case MsgType::kRelease:
      gate_->on_release(DD_TRY(decode<ReleaseMessage>(frame.body)));
      return {};
    case MsgType::kError:
      gate_->on_question_failed(DD_TRY(decode<ErrorMessage>(frame.body)).error,
                                frame.header.request_id);
      return {};
    default:
      return fail(ErrorCode::kDamaged, "the server sent an origin target what is not for it");
  }
}

// Called under the gate's lock. A failure needs no answer: the link notices it too.
void OriginTarget::send_question(const PrepareWriteMessage& question, std::uint64_t request_id) {
  (void)link_.send(question, request_id, generation_);
}

void OriginTarget::send_acknowledgement(const BarrierAckMessage& acknowledgement) {
  (void)link_.send(acknowledgement, 0, generation_);
}

}  // namespace ddsnap
