#include "ddsnap/target/locate_questions.h"

#include <algorithm>

namespace ddsnap {

Result<std::vector<LocatedEntry>> LocateQuestions::await(
    std::span<const ChunkRange> ranges, const std::function<Status(std::uint64_t)>& send,
    const Parking::Stay& stay) {
  Question question;
  for (const ChunkRange& range : ranges) question.asked_chunks += range.count;
  std::unique_lock lock(mutex_);
  const std::uint64_t request_id = ++last_request_id_;
  questions_.emplace(request_id, &question);
  lock.unlock();
  Status status = send(request_id);
  lock.lock();
  if (status)
    status =
        stay.wait(lock, question.changed, [&] { return question.is_answered || question.error; });
  questions_.erase(request_id);
  if (!status) return std::unexpected(status.error());
  if (question.error) return std::unexpected(*question.error);
  lock.unlock();
  return in_order(ranges, std::move(question.entries));
}

Result<std::vector<LocatedEntry>> LocateQuestions::in_order(std::span<const ChunkRange> ranges,
                                                            std::vector<LocatedEntry> entries) {
  std::ranges::sort(entries, {}, &LocatedEntry::chunk);
  std::vector<LocatedEntry> result;
  for (const ChunkRange& range : ranges) {
    for (std::uint64_t chunk = range.first.value; chunk < range.end(); ++chunk) {
      const ChunkNr nr{static_cast<std::uint32_t>(chunk)};
      const auto found = std::ranges::lower_bound(entries, nr, {}, &LocatedEntry::chunk);
      if (found == entries.end() || found->chunk != nr)
        return fail(ErrorCode::kDamaged, "the server did not say where every chunk is");
      result.push_back(*found);
    }
  }
  return result;
}

Status LocateQuestions::on_located(const LocatedMessage& located, std::uint64_t request_id) {
  const std::lock_guard lock(mutex_);
  const auto found = questions_.find(request_id);
  if (found == questions_.end()) return {};  // given up meanwhile
  Question& question = *found->second;
  if (question.entries.size() + located.entries.size() > question.asked_chunks)
    return fail(ErrorCode::kDamaged, "the server answered more than was asked");
  question.entries.insert(question.entries.end(), located.entries.begin(), located.entries.end());
  if (!located.is_last) return {};
  question.is_answered = true;
  question.changed.notify_one();
  return {};
}

void LocateQuestions::on_failed(const Error& error, std::uint64_t request_id) {
  const std::lock_guard lock(mutex_);
  const auto found = questions_.find(request_id);
  if (found == questions_.end()) return;
  found->second->error = error;
  found->second->changed.notify_one();
}

void LocateQuestions::fail_all(const Error& error) {
  const std::lock_guard lock(mutex_);
  for (auto& [request_id, question] : questions_) {
    question->error = error;
    question->changed.notify_one();
  }
}

}  // namespace ddsnap
