// The write path: one batch of copy-outs under one flush (DESIGN section 3, commit protocol).
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

namespace {

using Outcome = WriteAsk::Outcome;

constexpr std::size_t kMaxMergedBytes = 1 << 20;  // of neighbouring chunks in one request

// One chunk to copy: where its bytes are in the batch buffer, and how it goes.
struct Copy {
  ChunkNr chunk;
  std::span<std::byte> data;
  Outcome outcome = Outcome::kPending;
  Exception exception;
};

// The pending asks' chunks, each once, ascending.
std::vector<ChunkNr> pending_chunks(std::span<const WriteAsk> asks) {
  std::vector<ChunkNr> chunks;
  for (const WriteAsk& ask : asks)
    if (ask.outcome == Outcome::kPending) chunks.push_back(ask.chunk);
  std::sort(chunks.begin(), chunks.end());
  chunks.erase(std::unique(chunks.begin(), chunks.end()), chunks.end());
  return chunks;
}

void settle(std::span<WriteAsk> asks, ChunkNr chunk, Outcome outcome) {
  for (WriteAsk& ask : asks)
    if (ask.outcome == Outcome::kPending && ask.chunk == chunk) ask.outcome = outcome;
}

void settle_all(std::span<WriteAsk> asks, Outcome outcome) {
  for (WriteAsk& ask : asks)
    if (ask.outcome == Outcome::kPending) ask.outcome = outcome;
}

// Adds a request, or lengthens the last one where both memory and device go on.
void add_merged(std::vector<IoRequest>& requests, const IoRequest& next) {
  if (!requests.empty()) {
    IoRequest& last = requests.back();
    if (last.offset_bytes + last.length_bytes == next.offset_bytes &&
        last.data + last.length_bytes == next.data && last.length_bytes < kMaxMergedBytes) {
      last.length_bytes += next.length_bytes;
      return;
    }
  }
  requests.push_back(next);
}

// Reads all in flight at once; where a merged read fails, each chunk by itself tells which are
// unreadable.
Status read_origin(BlockDevice& origin, const ChunkGeometry& geometry, std::span<Copy> copies) {
  std::vector<IoRequest> requests;
  for (const Copy& copy : copies) {
    const ByteRange bytes = geometry.bytes_of(copy.chunk);
    std::memset(copy.data.data() + bytes.length_bytes, 0, copy.data.size() - bytes.length_bytes);
    add_merged(requests, IoRequest::read(bytes.offset_bytes, copy.data.first(bytes.length_bytes)));
  }
  if (origin.run(requests)) return {};
  for (Copy& copy : copies) {
    const ByteRange bytes = geometry.bytes_of(copy.chunk);
    if (!origin.read_at(bytes.offset_bytes, copy.data.first(bytes.length_bytes)))
      copy.outcome = Outcome::kOriginUnreadable;
  }
  return {};
}

}  // namespace

Status SnapStore::Impl::check_chunk(ChunkNr chunk) const {
  if (chunk.value < facts.geometry.chunk_count()) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("chunk {} lies beyond the end of the origin", chunk.value));
}

Status SnapStore::Impl::prepare_writes(std::span<WriteAsk> asks) {
  if (failed) return std::unexpected(*failed);
  const Boundary* changed = state.newest();
  for (WriteAsk& ask : asks) {
    const bool is_granted = !changed || changed->change_map().contains(ask.chunk.value);
    ask.outcome = is_granted ? Outcome::kGranted : Outcome::kPending;
  }
  const std::vector<ChunkNr> chunks = pending_chunks(asks);
  if (chunks.empty()) return {};
  if (const Status room = make_metadata_room(); !room) {
    if (room.error().code != ErrorCode::kNoSpace) return room;
    settle_all(asks, Outcome::kNoSpace);
    return {};
  }

  const Epoch holder = state.newest_live();
  ChangedOp only_changed{changed->epoch, {}};
  std::vector<Copy> copies;
  const std::size_t chunk_bytes = facts.geometry.chunk_bytes();
  for (const ChunkNr chunk : chunks) {
    if (!holder || state.find(holder)->table->has(chunk))
      only_changed.chunks.push_back(chunk);
    else
      copies.push_back(
          {chunk, batch_buffer.span().subspan(copies.size() * chunk_bytes, chunk_bytes)});
  }
  if (!copies.empty()) DD_TRY(read_origin(origin, facts.geometry, copies));

  CopiedOutOp copied{holder, changed->epoch, {}};
  std::vector<IoRequest> slot_writes;
  for (Copy& copy : copies) {
    if (copy.outcome != Outcome::kPending) continue;
    copy.exception = {.slot = kZeroSlot, .hash = hash_chunk(copy.data)};
    if (!is_all_zero(copy.data)) {
      const auto slot = slots.allocate();
      if (!slot) {
        copy.outcome = Outcome::kNoSpace;
        continue;
      }
      copy.exception.slot = {*slot};
      add_merged(slot_writes, IoRequest::write(layout().slot_offset_bytes({*slot}), copy.data));
    }
    copied.exceptions.push_back({copy.chunk, copy.exception});
  }

  std::vector<Operation> operations;
  const std::size_t first_writes_now = copied.exceptions.size() + only_changed.chunks.size();
  if (!copied.exceptions.empty()) operations.emplace_back(copied);
  if (!only_changed.chunks.empty()) operations.emplace_back(only_changed);
  if (!operations.empty()) {
    const Status status = commit(operations, std::move(slot_writes), kSpareRecords);
    if (!status) {
      for (const auto& [chunk, exception] : copied.exceptions)
        if (!exception.is_zero()) slots.mark_free(exception.slot.value);
      if (status.error().code != ErrorCode::kNoSpace) return status;
      settle_all(asks, Outcome::kNoSpace);
      return {};
    }
    ++batches;
    first_writes += first_writes_now;
  }
  for (const Copy& copy : copies)
    if (copy.outcome != Outcome::kPending) settle(asks, copy.chunk, copy.outcome);
  settle_all(asks, Outcome::kGranted);
  return {};
}

// A private slot's content is flushed before its record, since nothing could judge it afterwards
// (S2).
Result<std::vector<SlotNr>> SnapStore::Impl::prepare_snapshot_writes(
    Boundary& snapshot, std::span<const ChunkNr> chunks) {
  if (failed) return std::unexpected(*failed);
  DD_TRY(make_metadata_room());
  const std::size_t chunk_bytes = facts.geometry.chunk_bytes();
  std::vector<SlotNr> result;
  PrivateOp op{snapshot.epoch, {}};
  std::vector<IoRequest> slot_writes;
  const auto give_back = [&](std::unexpected<Error> error) {
    for (const auto& entry : op.exceptions) slots.mark_free(entry.exception.slot.value);
    return error;
  };
  for (const ChunkNr chunk : chunks) {
    if (snapshot.private_table && snapshot.private_table->has(chunk)) {
      const auto found = find_in_table(*snapshot.private_table, chunk, cache);
      if (!found) return give_back(std::unexpected(found.error()));
      result.push_back(found->slot);
      continue;
    }
    const auto data = batch_buffer.span().subspan(op.exceptions.size() * chunk_bytes, chunk_bytes);
    if (const Status read = read_chunk(snapshot, chunk, data); !read)
      return give_back(std::unexpected(read.error()));
    const auto slot = slots.allocate();
    if (!slot) return give_back(fail(ErrorCode::kNoSpace, "the snapstore is full"));
    op.exceptions.push_back({chunk, {.slot = {*slot}, .hash = {}}});
    add_merged(slot_writes, IoRequest::write(layout().slot_offset_bytes({*slot}), data));
    result.push_back({*slot});
  }
  if (op.exceptions.empty()) return result;
  if (const Status written = write_durably(snapstore, slot_writes); !written)
    return give_back(std::unexpected(written.error()));
  if (const Status committed = commit(op); !committed)
    return give_back(std::unexpected(committed.error()));
  return result;
}

}  // namespace ddsnap
