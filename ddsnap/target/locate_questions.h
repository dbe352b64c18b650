// Questions of a snapshot target that wait for their LOCATED answers, which may come in parts.
//
// Errors    await(): kDisconnected when the line was lost meanwhile (the caller asks again), the
// server's error, Parking's exits, kDamaged when the answer is not about exactly what was asked.
// Threads   await() from any thread; the rest by the link's thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/target/parking.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

class LocateQuestions {
 public:
  // Sends by send(request_id) and waits. The entries come in the order of the chunks asked for.
  Result<std::vector<LocatedEntry>> await(std::span<const ChunkRange> ranges,
                                          const std::function<Status(std::uint64_t)>& send,
                                          const Parking::Stay& stay);

  // kDamaged for more entries than were asked for.
  Status on_located(const LocatedMessage& located, std::uint64_t request_id);
  void on_failed(const Error& error, std::uint64_t request_id);
  // Every question under way ends with this error.
  void fail_all(const Error& error);

 private:
  struct Question {
    std::uint64_t asked_chunks = 0;
    std::vector<LocatedEntry> entries;
    bool is_answered = false;
    std::optional<Error> error;
    std::condition_variable changed;
  };
  static Result<std::vector<LocatedEntry>> in_order(std::span<const ChunkRange> ranges,
                                                    std::vector<LocatedEntry> entries);

  std::mutex mutex_;
  std::map<std::uint64_t, Question*> questions_;  // under mutex_; on the stacks of their threads
  std::uint64_t last_request_id_ = 0;             // under mutex_
};

}  // namespace ddsnap
