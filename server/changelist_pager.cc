#include "server/changelist_pager.h"

#include <fmt/format.h>

#include <algorithm>

namespace ddsnap {

void ChangelistPager::forget(SessionId session) {
  parked_.forget(session);
  std::erase_if(cache_, [&](const Cached& cached) { return cached.session == session; });
}

void ChangelistPager::run() {
  if (parked_.is_empty()) return;
  const auto question = parked_.take();
  const auto part = page(question.session, question.what);
  if (part) {
    parts_.out.send(question.session, question.request_id, *part);
  } else {
    parts_.out.send_error(question.session, question.request_id, part.error());
  }
}

Result<ChangelistPartMessage> ChangelistPager::page(SessionId session,
                                                    const GetChangelistMessage& message) {
  const Ends ends = DD_TRY(find_ends(message));
  Cached list = DD_TRY(chunks_between(session, ends, message.start_chunk == 0));
  ChangelistPartMessage part{.from_uuid = ends.from.uuid,
                             .to_uuid = ends.to ? ends.to->uuid : Uuid{},
                             .from_bytes = ends.from.size_bytes,
                             .to_bytes = ends.to_bytes,
                             .chunk_shift = parts_.store.facts().geometry.chunk_shift};
  if (message.start_chunk < kMaxChunks) {
    auto at = list.chunks.begin();
    at.equalorlarger(static_cast<std::uint32_t>(message.start_chunk));
    for (; at != list.chunks.end() && part.entries.size() < kMaxChangesPerPage; ++at)
      part.entries.push_back({.chunk = {*at}, .from_hash = std::nullopt});
    if (at != list.chunks.end()) part.next_chunk = *at;
  }
  DD_TRY(add_hashes(ends, part.entries));
  if (part.next_chunk) {
    if (cache_.size() == kMaxCachedChangelists) cache_.pop_front();
    cache_.push_back(std::move(list));
  }
  return part;
}

Result<ChangelistPager::Ends> ChangelistPager::find_ends(
    const GetChangelistMessage& message) const {
  Ends ends {
    .from = DD_TRY(find_boundary(message.from_tag))
  };
  if (message.to_tag == "now") {
    ends.to_bytes = parts_.store.facts().geometry.volume_bytes;
    return ends;
  }
  ends.to = DD_TRY(find_boundary(message.to_tag));
  ends.to_bytes = ends.to->size_bytes;
  if (ends.from.epoch >= ends.to->epoch)
    return fail(ErrorCode::kUsage,
                fmt::format("snapshot {} is not older than {}", message.from_tag, message.to_tag));
  return ends;
}

Result<BoundaryFacts> ChangelistPager::find_boundary(const std::string& tag) const {
  auto boundary = parts_.store.find(tag);
  if (!boundary) return fail(ErrorCode::kNotFound, fmt::format("snapshot {} does not exist", tag));
  return *std::move(boundary);
}

Result<ChangelistPager::Cached> ChangelistPager::chunks_between(SessionId session, const Ends& ends,
                                                                bool is_first_page) {
  const Epoch from = ends.from.epoch;
  const Epoch to = ends.to ? ends.to->epoch : Epoch{};
  const auto known = std::ranges::find_if(cache_, [&](const Cached& cached) {
    return cached.session == session && cached.from == from && cached.to == to;
  });
  if (known != cache_.end()) {
    Cached list = std::move(*known);
    cache_.erase(known);
    if (!is_first_page) return list;
  }
  Cached list {
    session, from, to, DD_TRY(parts_.store.changed(from, to))
  };
  list.chunks |= beyond_smaller_end(ends);
  list.chunks.runOptimize();
  return list;
}

Roaring ChangelistPager::beyond_smaller_end(const Ends& ends) const {
  Roaring chunks;
  const std::uint64_t smaller = std::min(ends.from.size_bytes, ends.to_bytes);
  const std::uint64_t larger = std::max(ends.from.size_bytes, ends.to_bytes);
  if (smaller == larger) return chunks;
  const unsigned shift = parts_.store.facts().geometry.chunk_shift;
  const ChunkGeometry geometry{.chunk_shift = shift, .volume_bytes = larger};
  chunks.addRange(smaller >> shift, geometry.chunk_count());
  return chunks;
}

// Hashes come from the tables alone: what the from snapshot shares with the origin, or has made its
// own, has none.
Status ChangelistPager::add_hashes(const Ends& ends,
                                   std::vector<ChangelistPartMessage::Entry>& entries) {
  if (ends.from.kind != BoundaryKind::kLive) return {};
  // Whole chunks that both sizes hold: the hash of a chunk cut by an end is not comparable.
  const std::uint64_t smaller = std::min(ends.from.size_bytes, ends.to_bytes);
  const std::uint64_t comparable =
      ends.from.size_bytes == ends.to_bytes
          ? ChunkGeometry{parts_.store.facts().geometry.chunk_shift, smaller}.chunk_count()
          : smaller >> parts_.store.facts().geometry.chunk_shift;
  std::vector<Location> locations;
  for (std::size_t at = 0; at < entries.size();) {
    const std::size_t first = at;
    ChunkRange run{entries[at].chunk, 1};
    if (run.first.value >= comparable) break;
    for (++at; at < entries.size() && run.end() < comparable; ++at) {
      if (entries[at].chunk.value != run.end()) break;
      ++run.count;
    }
    locations.clear();
    DD_TRY(parts_.store.locate(ends.from.epoch, run, locations));
    for (std::size_t i = 0; i < locations.size(); ++i)
      if (locations[i].place == Location::Place::kSlot ||
          locations[i].place == Location::Place::kZero)
        entries[first + i].from_hash = locations[i].hash;
  }
  return {};
}

}  // namespace ddsnap
