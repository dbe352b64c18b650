// A model of a snapshot target: reads the origin first and asks after (T5), remembers slots (T6),
// writes to private slots, and compares all that it reads with the truth.
//
// Shape     As ddsnap/target/snapshot_target.h, with events in place of threads. Reads are made in
//           two halves, each at a time of its own. One of two verifies hashes; the other is as the
//           kernel's and cannot.
// Threads   None inside.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <vector>

#include "tests/support/sim_target.h"

namespace ddsnap::test {

class SimSnapshotTarget final : public SimTarget {
 public:
  SimSnapshotTarget(SimHost& host, std::string label, std::string tag)
      : SimTarget(host, std::move(label)), tag_(std::move(tag)), verifies_(host.one_in(2)) {}

  // A user's requests.
  void read() { begin(false); }
  void write() { begin(true); }
  void flush();
  void leave();

  const Uuid& snapshot() const { return snapshot_; }
  // It may have slots of this snapshot in its memory, or writes to them under way.
  bool may_use(const Uuid& snapshot) const;
  bool is_idle() const override { return is_dead() || requests_.empty(); }
  // The snapshot is lost to it: the user may close it.
  bool is_useless() const { return is_refused_; }
  std::string to_text() const override;

 private:
  struct Request {
    std::uint64_t number = 0;
    bool is_write = false;
    std::uint64_t begun_ns = 0;
    std::uint32_t first_chunk = 0;
    std::uint32_t chunk_count = 0;
    std::uint32_t first_sector = 0;  // writes only
    std::uint32_t sector_count = 0;
    ContentId content = 0;
    // One try.
    std::uint64_t generation = 0;
    std::uint64_t orders = 0;
    std::vector<LocatedEntry> entries;
    std::vector<std::byte> bytes;
    std::uint32_t answers_left = 0;
    std::uint32_t pieces_left = 0;
    bool is_waiting = true;  // for the line
    bool is_in_slot_io = false;
  };
  using Requests = std::list<Request>;
  struct PendingAck {
    std::uint64_t order = 0;
    std::optional<std::uint64_t> invalidation;  // none: DROPPED_ACK
  };

  HelloMessage hello() const override;
  void on_attached(const HelloOkMessage& ok) override;
  void on_refused(const Error& error) override;
  void on_message(const Frame& frame) override;
  void on_line_lost() override;
  void on_killed() override {}

  void begin(bool is_write);
  void try_now(Requests::iterator request);
  void try_again(Requests::iterator request);
  void retry(std::uint64_t number);
  bool is_firm(const Request& request) const;
  void recall(Request& request);
  void read_origin(Requests::iterator request, bool is_second_half);
  void ask(Requests::iterator request);
  void on_located(const LocatedMessage& located, std::uint64_t request_id);
  void use_slots(Requests::iterator request);
  void read_slots(Requests::iterator request, bool is_second_half);
  void write_slots(Requests::iterator request);
  void land(const Uuid& snapshot, std::uint64_t slot_offset, std::uint32_t first_sector,
            std::uint32_t count, ContentId content);
  void finish_slot_io(Requests::iterator request);
  std::string check(const Request& request) const;
  void end(Requests::iterator request);
  void fail(Requests::iterator request, int result_errno, const std::string& why);
  void fail_all();
  void acknowledge_what_is_due();
  std::uint64_t slot_offset(SlotNr slot) const;

  const std::string tag_;
  const bool verifies_;
  Uuid snapshot_;
  std::uint64_t slots_offset_bytes_ = 0;
  std::map<std::uint32_t, LocatedEntry> cache_;
  Requests requests_;
  std::map<std::uint64_t, Requests::iterator> questions_;
  std::uint64_t last_request_ = 0;
  std::uint64_t last_request_id_ = 100;
  std::uint64_t orders_ = 0;
  std::deque<PendingAck> pending_acks_;
  bool is_refused_ = false;
  std::uint32_t writes_under_way_ = 0;  // a dead one's too
};

}  // namespace ddsnap::test
