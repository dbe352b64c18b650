#include "server/store_check.h"

namespace ddsnap {

namespace {

using Kind = CheckPartMessage::Kind;

Kind kind_of(const Damage& damage) {
  switch (damage.kind) {
    case DamageKind::kHurt:
      return Kind::kHurt;
    case DamageKind::kHurtPrivate:
      return Kind::kHurtPrivate;
    case DamageKind::kShielded:
      return Kind::kShielded;
    default:
      return Kind::kFinding;
  }
}

CheckPartMessage part_of(const CheckPiece& piece) {
  CheckPartMessage part{.bytes_read = piece.bytes_read,
                        .blocks_checked = piece.blocks_checked,
                        .slots_checked = piece.slots_checked};
  if (piece.next)
    part.next = {static_cast<std::uint8_t>(piece.next->phase), piece.next->a, piece.next->b,
                 piece.next->c};
  for (const Damage& damage : piece.damages)
    part.entries.push_back({.kind = kind_of(damage),
                            .oldest = damage.oldest,
                            .newest = damage.newest,
                            .first_chunk = damage.first_chunk,
                            .end_chunk = damage.end_chunk,
                            .text = damage.text.substr(0, kMaxFindingBytes)});
  return part;
}

}  // namespace

Status StoreCheck::park(SessionId session, std::uint64_t request_id,
                        const CheckStoreMessage& message) {
  CheckCursor from;
  if (message.from.phase > static_cast<std::uint8_t>(CheckCursor::Phase::kSlots))
    return fail(ErrorCode::kUsage, "a check cannot go on from there");
  if (message.from.phase != 0)
    from = {static_cast<CheckCursor::Phase>(message.from.phase), message.from.a, message.from.b,
            message.from.c};
  parked_.park(session, request_id, from);
  return {};
}

void StoreCheck::run() {
  if (parked_.is_empty()) return;
  const auto question = parked_.take();
  const CheckPiece piece = parts_.store.check_piece(question.what);
  parts_.out.send(question.session, question.request_id, part_of(piece));
  for (const Damage& damage : piece.damages)
    if (damage.is_finding()) parts_.log.error("check: {}", damage.text);
}

}  // namespace ddsnap
