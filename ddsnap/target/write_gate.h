// The gate that every write to the origin passes: counted in flight, granted, or parked (T1, T2).
//
// Units     Chunks.
// Shape     enter() counts the write in flight *before* it looks its grant up, so that a barrier
// that clears the grants and then looks at the count misses nobody:
//
//               writer                          link's thread, at BARRIER
//               in_flight += 1                  grants.clear()
//               granted? write, in_flight -= 1  in_flight == 0? acknowledge
//               else in_flight -= 1, park       else whoever brings it to 0 acknowledges
//
// Parked writes share questions: while kMaxOutstandingQuestions are under way, what is still wanted
// gathers for the next one.
// Errors    enter(): the errno that the server refused the chunks with, the error that ended the
// target, or Parking's exits. A lost line is no error: writes wait (T3).
// Threads   enter(), try_enter(), leave() from any thread; the rest by the link's thread.
// Lifetime  Borrows the line and the parking. Requires: no write is inside at destruction.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <vector>

#include "ddsnap/target/grant_map.h"
#include "ddsnap/target/parking.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

// Where the gate's questions and acknowledgements go. Failures are not its business: a line that
// fails is lost, and lose() follows.
class GateLine {
 public:
  virtual ~GateLine() = default;
  virtual void send_question(const PrepareWriteMessage& question, std::uint64_t request_id) = 0;
  virtual void send_acknowledgement(const BarrierAckMessage& acknowledgement) = 0;
};

class WriteGate {
 public:
  WriteGate(std::uint64_t chunk_count, GateLine& line, const Parking& parking);

  // Waits for the grant; on success the write is in flight until leave(). Requires: the range has
  // at most kMaxWriteChunks and lies on the volume.
  Status enter(ChunkRange range);
  // Without waiting.
  bool try_enter(ChunkRange range);
  void leave();
  // How many chunks from `first` on, up to `at_most`, are granted now. A hint: try_enter() decides.
  std::uint32_t granted_run(ChunkNr first, std::uint32_t at_most) const;

  // ---- what the server says ----
  void open(Epoch epoch);           // attached: grants are for this epoch
  void lose();                      // the line is gone, and the grants with it
  void refuse(const Error& error);  // for good: everything parked or still to come fails
  void on_grant(const GrantMessage& grant, std::uint64_t request_id);
  void on_question_failed(const Error& error, std::uint64_t request_id);
  void on_barrier(std::uint64_t number);
  void on_release(const ReleaseMessage& release);

 private:
  struct Waiter {
    ChunkRange range;
    std::optional<Error> refusal;
    std::condition_variable changed;
  };

  // All under mutex_.
  void ask_for_waiters();
  std::vector<ChunkRange> wanted_ranges() const;
  void refuse_waiters(std::span<const ChunkRange> ranges, const Error& error);
  void end_question(std::uint64_t request_id);
  void wake_waiters();
  void acknowledge_if_idle();

  GateLine& line_;
  const Parking& parking_;
  GrantMap grants_;  // read without the lock
  std::atomic<std::uint64_t> in_flight_{0};
  std::atomic<bool> is_acknowledgement_due_{false};

  std::mutex mutex_;  // everything below
  bool is_open_ = false;
  bool is_holding_ = false;
  Epoch epoch_;
  std::uint64_t barrier_number_ = 0;
  std::optional<Error> refusal_;
  std::list<Waiter*> waiters_;  // on the stacks of their threads
  std::map<std::uint64_t, std::vector<ChunkRange>> questions_;
  std::unordered_set<std::uint32_t> asked_;  // the chunks of questions_
  std::uint64_t last_request_id_ = 0;
};

}  // namespace ddsnap
