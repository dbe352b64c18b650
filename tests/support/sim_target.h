// What origin and snapshot targets of the simulation have in common: a process with an attachment,
// a line that is lost and found again (T3, T4), stalls, and a death that its writes outlive (S8).
//
// Shape     A target is born with start() and dead after kill() or a detach. Whatever it had
//           submitted may land after its death; is_gone() is true when none of it can any more.
// Threads   None inside.
// Lifetime  Lives as long as its host's world, so that events may name it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ddsnap/wire/messages.h"
#include "tests/support/sim_host.h"

namespace ddsnap::test {

class SimTarget : public SimPeer {
 public:
  SimTarget(SimHost& host, std::string label);

  void start();
  // The process ends; its connection with it.
  void kill();
  void stall_for(std::uint64_t duration_ns);
  // For ever, until it is killed.
  void stall_for_good() { stalled_until_ns_ = UINT64_MAX; }
  bool is_stalled_for_good() const { return !is_dead_ && stalled_until_ns_ == UINT64_MAX; }

  const std::string& label() const { return label_; }
  const Uuid& uuid() const { return uuid_; }
  bool is_dead() const { return is_dead_; }
  bool is_gone() const { return is_dead_ && io_under_way_ == 0; }
  bool is_attached() const { return !is_dead_ && attachment_id_ != 0; }
  // It has asked to be forgotten, and may have been.
  bool may_be_forgotten() const { return may_be_forgotten_; }
  bool is_stalled() const override { return host_.events.now_ns() < stalled_until_ns_; }
  // Nothing that somebody waits for.
  virtual bool is_idle() const = 0;
  virtual std::string to_text() const;

 protected:
  enum class Line : std::uint8_t { kNone, kGreeting, kUp, kLeaving };

  // ---- for the two kinds ----
  virtual HelloMessage hello() const = 0;
  virtual void on_attached(const HelloOkMessage& ok) = 0;
  virtual void on_refused(const Error& error) = 0;
  virtual void on_message(const Frame& frame) = 0;
  virtual void on_line_lost() = 0;
  virtual void on_killed() = 0;

  bool is_up() const { return line_ == Line::kUp; }
  std::uint64_t generation() const { return generation_; }
  bool has_whole_line() const { return host_.network.is_whole(session_); }
  void detach();
  // The server knows the attachment no more: a finding, unless it was given back (T4).
  void on_forgotten();
  // Runs `act` then, if this process still lives.
  void later(std::uint64_t delay_ns, SimEvents::Act act);
  // One piece of I/O was submitted: `act` when it lands, which may be after a death, or never.
  void submit(std::uint64_t delay_ns, SimEvents::Act act, SimEvents::Act never);
  std::uint64_t io_ns();
  template <class Message>
  void send(const Message& message, std::uint64_t request_id) {
    host_.network.send(session_, message, request_id);
  }

  SimHost& host_;

 private:
  void connect();
  void connect_later();
  void on_frame(const Frame& frame) final;
  void on_lost() final;
  void on_greeting_answered(const Frame& frame);

  const std::string label_;
  const Uuid uuid_;
  bool is_dead_ = true;
  std::uint64_t life_ = 0;
  std::uint64_t stalled_until_ns_ = 0;
  std::uint32_t io_under_way_ = 0;
  Line line_ = Line::kNone;
  SessionId session_;
  std::uint64_t generation_ = 0;
  std::uint32_t attachment_id_ = 0;
  bool may_be_forgotten_ = false;
  std::uint64_t backoff_ns_ = 0;
};

}  // namespace ddsnap::test
