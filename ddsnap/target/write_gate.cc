#include "ddsnap/target/write_gate.h"

#include <set>

#include "ddsnap/base/limits.h"

namespace ddsnap {
namespace {

bool overlap(ChunkRange a, ChunkRange b) {
  return a.first.value < b.end() && b.first.value < a.end();
}

std::vector<ChunkRange> to_ranges(const std::set<std::uint32_t>& chunks) {
  std::vector<ChunkRange> ranges;
  for (const std::uint32_t chunk : chunks) {
    if (!ranges.empty() && ranges.back().end() == chunk)
      ++ranges.back().count;
    else
      ranges.push_back({ChunkNr{chunk}, 1});
  }
  return ranges;
}

}  // namespace

WriteGate::WriteGate(std::uint64_t chunk_count, GateLine& line, const Parking& parking)
    : line_(line), parking_(parking), grants_(chunk_count) {}

bool WriteGate::try_enter(ChunkRange range) {
  in_flight_.fetch_add(1);  // before the look (T1)
  if (grants_.all_granted(range)) return true;
  leave();
  return false;
}

Status WriteGate::enter(ChunkRange range) {
  if (try_enter(range)) return {};
  std::unique_lock lock(mutex_);
  Waiter waiter{range, {}, {}};
  const auto place = waiters_.insert(waiters_.end(), &waiter);
  Parking::Stay stay(parking_);
  ask_for_waiters();
  Status status = stay.wait(lock, waiter.changed, [&] {
    return refusal_ || waiter.refusal || grants_.all_granted(range);
  });
  if (status && refusal_) status = std::unexpected(*refusal_);
  if (status && waiter.refusal) status = std::unexpected(*waiter.refusal);
  // No barrier comes between the look and the count: it would need the lock.
  if (status) in_flight_.fetch_add(1);
  waiters_.erase(place);
  return status;
}

void WriteGate::leave() {
  if (in_flight_.fetch_sub(1) != 1 || !is_acknowledgement_due_.load()) return;
  const std::lock_guard lock(mutex_);
  acknowledge_if_idle();
}

std::uint32_t WriteGate::granted_run(ChunkNr first, std::uint32_t at_most) const {
  std::uint32_t count = 0;
  while (count < at_most && grants_.is_granted(ChunkNr{first.value + count})) ++count;
  return count;
}

// ---- what the server says ----

void WriteGate::open(Epoch epoch) {
  const std::lock_guard lock(mutex_);
  grants_.clear();
  epoch_ = epoch;
  is_open_ = true;
  ask_for_waiters();
}

void WriteGate::lose() {
  const std::lock_guard lock(mutex_);
  grants_.clear();
  is_open_ = false;
  is_holding_ = false;
  is_acknowledgement_due_ = false;
  questions_.clear();
  asked_.clear();
}

void WriteGate::refuse(const Error& error) {
  const std::lock_guard lock(mutex_);
  grants_.clear();
  is_open_ = false;
  refusal_ = error;
  for (Waiter* waiter : waiters_) waiter->changed.notify_one();
}

void WriteGate::on_grant(const GrantMessage& grant, std::uint64_t request_id) {
  const std::lock_guard lock(mutex_);
  if (grant.result_errno != 0) {
    const Error error =
        fail_errno("cannot prepare the write:", "the server refused it", grant.result_errno)
            .error();
    refuse_waiters(grant.ranges, error);
  } else if (is_open_ && !is_holding_ && grant.epoch == epoch_) {
    for (const ChunkRange& range : grant.ranges) grants_.grant(range);
  }
  // Else it is for an instant that has passed (T2): the writes ask again, after the release.
  if (grant.is_last) end_question(request_id);
  wake_waiters();
  ask_for_waiters();
}

void WriteGate::on_question_failed(const Error& error, std::uint64_t request_id) {
  const std::lock_guard lock(mutex_);
  if (const auto question = questions_.find(request_id); question != questions_.end())
    refuse_waiters(question->second, error);
  end_question(request_id);
  wake_waiters();
  ask_for_waiters();
}

void WriteGate::on_barrier(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  is_holding_ = true;
  barrier_number_ = number;
  is_acknowledgement_due_ = true;
  grants_.clear();  // after this no write passes; those that did are counted
  acknowledge_if_idle();
}

void WriteGate::on_release(const ReleaseMessage& release) {
  const std::lock_guard lock(mutex_);
  if (!is_holding_ || release.number != barrier_number_) return;
  is_holding_ = false;
  is_acknowledgement_due_ = false;  // an aborted barrier wants none any more
  epoch_ = release.epoch;
  grants_.clear();
  ask_for_waiters();
}

// ---- under the lock ----

void WriteGate::acknowledge_if_idle() {
  if (!is_acknowledgement_due_ || in_flight_.load() != 0) return;
  is_acknowledgement_due_ = false;
  line_.send_acknowledgement({barrier_number_});
}

void WriteGate::ask_for_waiters() {
  while (is_open_ && !is_holding_ && questions_.size() < kMaxOutstandingQuestions) {
    std::vector<ChunkRange> ranges = wanted_ranges();
    if (ranges.empty()) return;
    for (const ChunkRange& range : ranges)
      for (std::uint32_t i = 0; i < range.count; ++i) asked_.insert(range.first.value + i);
    const std::uint64_t request_id = ++last_request_id_;
    line_.send_question({ranges}, request_id);
    questions_.emplace(request_id, std::move(ranges));
  }
}

std::vector<ChunkRange> WriteGate::wanted_ranges() const {
  std::set<std::uint32_t> chunks;
  for (const Waiter* waiter : waiters_) {
    if (waiter->refusal) continue;
    for (std::uint32_t i = 0; i < waiter->range.count; ++i) {
      const ChunkNr chunk{waiter->range.first.value + i};
      if (!asked_.contains(chunk.value) && !grants_.is_granted(chunk)) chunks.insert(chunk.value);
    }
    if (chunks.size() + kMaxWriteChunks > kMaxAskedChunks) break;
  }
  return to_ranges(chunks);
}

void WriteGate::refuse_waiters(std::span<const ChunkRange> ranges, const Error& error) {
  for (Waiter* waiter : waiters_)
    for (const ChunkRange& range : ranges)
      if (!waiter->refusal && overlap(waiter->range, range)) waiter->refusal = error;
}

void WriteGate::end_question(std::uint64_t request_id) {
  const auto question = questions_.find(request_id);
  if (question == questions_.end()) return;
  for (const ChunkRange& range : question->second)
    for (std::uint32_t i = 0; i < range.count; ++i) asked_.erase(range.first.value + i);
  questions_.erase(question);
}

void WriteGate::wake_waiters() {
  for (Waiter* waiter : waiters_)
    if (waiter->refusal || grants_.all_granted(waiter->range)) waiter->changed.notify_one();
}

}  // namespace ddsnap
