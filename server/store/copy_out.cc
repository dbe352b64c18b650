// The write path: one batch of copy-outs under one flush (DESIGN section 3, commit protocol).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
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
  int read_errno = 0;  // the origin could not be read
  bool is_placed = false;
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

void settle(std::span<WriteAsk> asks, const Copy& copy) {
  for (WriteAsk& ask : asks) {
    if (ask.outcome != Outcome::kPending || ask.chunk != copy.chunk) continue;
    ask.outcome = copy.outcome == Outcome::kPending ? Outcome::kGranted : copy.outcome;
    ask.is_content_lost = ask.outcome == Outcome::kGranted && copy.exception.is_lost();
  }
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
void read_origin(BlockDevice& origin, const ChunkGeometry& geometry, std::span<Copy> copies) {
  std::vector<IoRequest> requests;
  for (const Copy& copy : copies) {
    const ByteRange bytes = geometry.bytes_of(copy.chunk);
    std::memset(copy.data.data() + bytes.length_bytes, 0, copy.data.size() - bytes.length_bytes);
    add_merged(requests, IoRequest::read(bytes.offset_bytes, copy.data.first(bytes.length_bytes)));
  }
  if (origin.run(requests)) return;
  for (Copy& copy : copies) {
    const ByteRange bytes = geometry.bytes_of(copy.chunk);
    const Status read = origin.read_at(bytes.offset_bytes, copy.data.first(bytes.length_bytes));
    if (!read) copy.read_errno = read.error().sys_errno != 0 ? read.error().sys_errno : EIO;
  }
}

// What a bad sector says, as against a device or a path to it that is gone for now.
bool is_medium_error(int read_errno) {
  return read_errno == EIO || read_errno == ENODATA || read_errno == EILSEQ ||
         read_errno == EREMOTEIO;
}

// Whether the origin can be read anywhere: at its ends and between.
bool is_answering(BlockDevice& origin, std::span<std::byte> buffer) {
  constexpr std::uint64_t kPlaces = 8;
  const std::uint64_t block_bytes = origin.geometry().block_bytes;
  const std::uint64_t blocks = origin.size_bytes() / block_bytes;
  for (std::uint64_t place = 0; place <= kPlaces && blocks != 0; ++place)
    if (origin.read_at((blocks - 1) * place / kPlaces * block_bytes, buffer.first(block_bytes)))
      return true;
  return false;
}

// The requests for the slots of what is placed, neighbours merged; all of them in order of
// `copies`.
std::vector<IoRequest> slot_writes_of(std::span<const Copy> copies, const Layout& layout) {
  std::vector<IoRequest> requests;
  for (const Copy& copy : copies)
    if (copy.is_placed && copy.exception.has_slot())
      add_merged(requests,
                 IoRequest::write(layout.slot_offset_bytes(copy.exception.slot), copy.data));
  return requests;
}

// An unreadable chunk costs its content in the snapshots and not the write that mends it; but only
// while the origin answers elsewhere (a device that is gone is no reason to give anything up), and
// where the origin's writers come first.
void judge_unreadable(SnapStore::Impl& store, std::span<Copy> copies) {
  const auto is_bad = [](const Copy& copy) { return copy.read_errno != 0; };
  if (std::ranges::none_of(copies, is_bad)) return;
  AlignedBuffer buffer(store.origin.geometry().block_bytes);
  const bool may_lose =
      store.state.settings.on_failure == OnStoreFailure::kOriginGoesOn &&
      (!std::ranges::all_of(copies, is_bad) || is_answering(store.origin, buffer.span()));
  for (Copy& copy : copies) {
    if (!is_bad(copy)) continue;
    if (may_lose && is_medium_error(copy.read_errno)) {
      copy.exception = {.slot = kLostSlot, .hash = {}};
      copy.is_placed = true;
    } else {
      copy.outcome = Outcome::kOriginUnreadable;
    }
  }
}

// Gives what has no place yet a slot, or none where it is all zeros.
void place(SnapStore::Impl& store, std::span<Copy> copies) {
  for (Copy& copy : copies) {
    if (copy.is_placed || copy.outcome != Outcome::kPending) continue;
    copy.exception.slot = kZeroSlot;
    if (!is_all_zero(copy.data)) {
      const auto slot = store.slots.allocate();
      if (!slot) {
        copy.outcome = Outcome::kNoSpace;
        continue;
      }
      copy.exception.slot = {*slot};
    }
    copy.is_placed = true;
  }
}

void give_back_slots(SnapStore::Impl& store, std::span<const Copy> copies) {
  for (const Copy& copy : copies)
    if (copy.is_placed && copy.exception.has_slot())
      store.slots.mark_free(copy.exception.slot.value);
}

// Slots in a request that failed stay in use by nobody until the store is opened anew. A device
// that is out of room (a thin one) has most likely none for all those never used before either.
void retire_failed(SnapStore::Impl& store, std::span<Copy> copies,
                   const std::vector<IoRequest>& slot_writes) {
  bool is_out_of_room = false;
  for (const IoRequest& request : slot_writes) {
    if (request.status) continue;
    is_out_of_room |= request.status.error().code == ErrorCode::kNoSpace;
    const std::byte* end = request.data + request.length_bytes;
    for (Copy& copy : copies)
      if (copy.data.data() >= request.data && copy.data.data() < end) copy.is_placed = false;
  }
  if (is_out_of_room) store.slots.retire_rest();
}

// Slots and record under one flush. What cannot be written to some slots is tried in others, and
// then the record also says that the store makes no new snapshots.
Status commit_copies(SnapStore::Impl& store, CopiedOutOp copied, const ChangedOp& only_changed,
                     std::span<Copy> copies) {
  for (unsigned round = 1;; ++round) {
    place(store, copies);
    copied.exceptions.clear();
    for (const Copy& copy : copies)
      if (copy.is_placed) copied.exceptions.push_back({copy.chunk, copy.exception});
    std::vector<Operation> operations;
    if (!copied.exceptions.empty()) operations.emplace_back(copied);
    if (!only_changed.chunks.empty()) operations.emplace_back(only_changed);
    if (operations.empty()) return {};
    if (store.slot_complaint && store.state.step_down.rung == Rung::kWorks)
      operations.emplace_back(
          StepDownOp{make_step_down(Rung::kNoNewSnapshots, *store.slot_complaint)});
    std::vector<IoRequest> slot_writes = slot_writes_of(copies, store.layout());
    const Status status = store.commit(operations, slot_writes, kSpareRecords);
    if (status) {
      ++store.batches;
      store.first_writes += copied.exceptions.size() + only_changed.chunks.size();
      return {};
    }
    if (store.failed || !any_failed(slot_writes)) return status;
    if (status.error().code != ErrorCode::kNoSpace)
      store.slot_complaint = "slots cannot be written: " + status.error().message();
    if (round == kMaxSlotRounds) {
      if (status.error().code != ErrorCode::kNoSpace) store.slots_failed = status.error();
      return status;
    }
    retire_failed(store, copies, slot_writes);
  }
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

  const bool has_snapshots = state.step_down.rung < Rung::kTrackingOnly;
  const Epoch holder = has_snapshots ? state.newest_live() : Epoch{};
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
  read_origin(origin, facts.geometry, copies);
  judge_unreadable(*this, copies);
  for (Copy& copy : copies)
    if (!copy.is_placed && copy.read_errno == 0) copy.exception.hash = hash_chunk(copy.data);

  const Status copied = commit_copies(*this, {holder, changed->epoch, {}}, only_changed, copies);
  if (!copied) {
    give_back_slots(*this, copies);
    if (copied.error().code != ErrorCode::kNoSpace) return copied;
    settle_all(asks, Outcome::kNoSpace);
    return {};
  }
  for (const Copy& copy : copies) settle(asks, copy);
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
  if (const Status written = try_durably(snapstore, slot_writes); !written) {
    if (written.error().code == ErrorCode::kNoSpace)
      slots.retire_rest();
    else
      complaint = "slots cannot be written: " + written.error().message();
    return give_back(std::unexpected(written.error()));
  }
  if (const Status committed = commit(op); !committed)
    return give_back(std::unexpected(committed.error()));
  return result;
}

}  // namespace ddsnap
