// Two ends of a session in one process: volumes in memory, a pair of sockets between them, and a
// link that breaks after so many bytes.
//
// Shape     The receiver runs in a thread of its own; Meeting::end() joins it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ddsnap/replica/session_receiver.h"
#include "ddsnap/replica/session_sender.h"
#include "ddsnap/wire/socket.h"
#include "tests/support/delta_world.h"
#include "tests/support/trace_device.h"
#include "tests/support/wrapped_device.h"

namespace ddsnap::test {

// Another device, which lives longer, as somebody opened it.
class BorrowedDevice final : public WrappedDevice {
 public:
  explicit BorrowedDevice(BlockDevice& next, std::string uuid = {})
      : WrappedDevice(next), uuid_(std::move(uuid)) {}
  std::string proven_snapshot_uuid() const override { return uuid_; }

 private:
  const std::string uuid_;
};

// A volume of which each snapshot is a device of its own.
class SnapshotsInMemory final : public SessionSource {
 public:
  explicit SnapshotsInMemory(unsigned chunk_shift) : chunk_shift_(chunk_shift) {}

  void add(const std::string& tag, const Uuid& uuid, const Bytes& bytes) {
    snapshots_.push_back({uuid, tag, true});
    contents_[tag] = device_of(bytes, tag);
    traces_[tag] = std::make_unique<TraceDevice>(*contents_[tag]);
  }
  // Its data is given up; changelists are as before.
  void make_bookmark(const std::string& tag) {
    for (SourceSnapshot& one : snapshots_)
      if (one.tag == tag) one.has_data = false;
  }
  void forget(const std::string& tag) {
    std::erase_if(snapshots_, [&](const SourceSnapshot& one) { return one.tag == tag; });
  }
  const TraceDevice& trace(const std::string& tag) const { return *traces_.at(tag); }

  const std::string& name() const override { return name_; }
  unsigned chunk_shift() const override { return chunk_shift_; }
  Result<std::vector<SourceSnapshot>> snapshots() override { return snapshots_; }
  Result<Changelist> changelist(const std::string& from, const std::string& to) override {
    auto list = DD_TRY(compare_devices(*contents_.at(from), *contents_.at(to), chunk_shift_));
    for (const SourceSnapshot& one : snapshots_) {
      if (one.tag == from) list.from_uuid = one.uuid;
      if (one.tag == to) list.to_uuid = one.uuid;
    }
    list.from_tag = from;
    list.to_tag = to;
    return list;
  }
  Result<std::unique_ptr<BlockDevice>> open(const std::string& tag) override {
    for (const SourceSnapshot& one : snapshots_)
      if (one.tag == tag)
        return std::make_unique<BorrowedDevice>(*traces_.at(tag), one.uuid.to_string());
    return fail(ErrorCode::kNotFound, tag);
  }

 private:
  const unsigned chunk_shift_;
  const std::string name_ = "upstream";
  std::vector<SourceSnapshot> snapshots_;
  std::map<std::string, std::unique_ptr<MemoryDevice>> contents_;
  std::map<std::string, std::unique_ptr<TraceDevice>> traces_;
};

// What a bare device is to a session, in memory. It outlives many sessions.
struct MemoryTarget {
  explicit MemoryTarget(const Bytes& bytes)
      : device(device_of(bytes, "downstream")), trace(*device) {}
  Bytes bytes() const { return device->content().to_vector(); }
  std::uint64_t changes() const {
    return trace.count(DeviceOp::kWrite) + trace.count(DeviceOp::kWriteZeroes);
  }

  std::unique_ptr<MemoryDevice> device;
  TraceDevice trace;
  MemoryApplyState state;
};

class MemorySessionTarget final : public SessionTarget {
 public:
  explicit MemorySessionTarget(MemoryTarget& memory) : memory_(memory) {}
  const std::string& name() const override { return memory_.device->name(); }
  Result<VolumeSession> facts() override {
    VolumeSession facts;
    facts.volume_bytes = memory_.device->size_bytes();
    facts.cut = cut_of(memory_.state.state_);
    const Uuid held = memory_.state.state_.snapshot_uuid;
    if (!facts.cut && !held.is_nil()) facts.held.push_back(held);
    return facts;
  }
  Result<Begun> begin(const StartSession& start) override {
    const auto cut = cut_of(memory_.state.state_);
    const bool goes_on = !start.is_resync && cut && cut->from == start.from && cut->to == start.to;
    return Begun{memory_.trace, goes_on ? *cut : fresh_transfer(start)};
  }
  Status note(const CutTransfer& cut) override {
    expect_flushed();
    return memory_.state.store(state_during(memory_.state.state_, cut));
  }
  Status finish(const StartSession& start, const TargetSamples& samples) override {
    expect_flushed();
    return memory_.state.store(state_behind(memory_.state.state_, start, samples));
  }
  Result<std::unique_ptr<BlockDevice>> open(const AuditSession&) override {
    return std::make_unique<BorrowedDevice>(memory_.trace);
  }

 private:
  // What a record says is done is durable: a power cut behind it loses nothing (D3).
  void expect_flushed() const {
    bool is_flushed = true;
    for (const TraceEntry& one : memory_.trace.entries()) {
      if (one.op == DeviceOp::kFlush) is_flushed = true;
      if (one.op == DeviceOp::kWrite || one.op == DeviceOp::kWriteZeroes) is_flushed = false;
    }
    EXPECT_TRUE(is_flushed) << "recorded before it was flushed";
  }

  MemoryTarget& memory_;
};

// Breaks when so many bytes went through it, both ways together.
class BreakingLink final : public ByteLink {
 public:
  BreakingLink(std::unique_ptr<ByteLink> next, std::uint64_t bytes)
      : next_(std::move(next)), left_(bytes) {}
  Result<Step> read_some(std::span<std::byte> into) override {
    if (left_ == 0) return broken();
    return count(next_->read_some(into.first(std::min<std::uint64_t>(into.size(), left_))));
  }
  Result<Step> write_some(std::span<const std::byte> from) override {
    if (left_ == 0) return broken();
    return count(next_->write_some(from.first(std::min<std::uint64_t>(from.size(), left_))));
  }
  void end_writing() override { next_->end_writing(); }
  int read_fd() const override { return next_->read_fd(); }
  int write_fd() const override { return next_->write_fd(); }

 private:
  Result<Step> broken() {
    next_->end_writing();
    return fail(ErrorCode::kDisconnected, "the link broke");
  }
  Result<Step> count(Result<Step> step) {
    if (step) left_ -= step->bytes;
    return step;
  }
  std::unique_ptr<ByteLink> next_;
  std::uint64_t left_;
};

// A receiver that waits at the other end of `link()`.
class Meeting {
 public:
  using Open = std::function<Result<std::unique_ptr<SessionTarget>>()>;

  explicit Meeting(MemoryTarget& target, std::uint64_t patience_ms = 20'000)
      : Meeting([&target] { return std::make_unique<MemorySessionTarget>(target); }, patience_ms,
                1) {}
  Meeting(Open open, std::uint64_t patience_ms, unsigned workers) {
    auto pair = make_socket_pair();
    EXPECT_TRUE(pair);
    link_ = *make_socket_link(std::move(pair->first));
    thread_ = std::thread([this, open = std::move(open), patience_ms, workers,
                           fd = std::move(pair->second)]() mutable {
      Channel channel(*make_socket_link(std::move(fd)), "sender", {});
      WorkContext context{.workers = workers};
      NullLog log;
      const ReceiverOptions options{
          .open = [&](const std::string& volume) -> Result<std::unique_ptr<SessionTarget>> {
            if (volume != "vol")
              return fail(ErrorCode::kNotFound, "no volume '" + volume + "' here");
            return open();
          },
          .hello_patience_ms = patience_ms,
          .patience_ms = patience_ms};
      status_ = serve_session(channel, options, log, context);
    });
  }
  ~Meeting() { end(); }

  std::unique_ptr<ByteLink> link() { return std::move(link_); }
  // How it went there. Requires: the sender's channel is gone, or the session is over.
  Status end() {
    link_.reset();
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  std::unique_ptr<ByteLink> link_;
  std::thread thread_;
  Status status_;
};

// One session, from end to end; `breaks_after` bytes at most.
inline Result<SendTally> send_to(MemoryTarget& target, SessionSource& source, SendOptions options,
                                 std::uint64_t breaks_after = UINT64_MAX) {
  Meeting meeting(target);
  options.volume = "vol";
  WorkContext context{.workers = 1};
  Result<SendTally> tally = [&] {
    Channel channel(std::make_unique<BreakingLink>(meeting.link(), breaks_after), "receiver", {});
    return replicate_over(channel, source, options, context);
  }();
  (void)meeting.end();
  return tally;
}

}  // namespace ddsnap::test
