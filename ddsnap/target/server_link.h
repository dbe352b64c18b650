// A target's line to its server: finds it, says HELLO, hands over what comes, and when the line is
// lost finds it again, for ever (T3).
//
// Shape     One thread of its own runs it all: search, HELLO, receive, back to search. States:
// searching -> up -> searching ..., or refused (the server said that this target can never come
// back), or stopped. `generation` counts the connections that came up; what was learnt under one
// generation is proven only while that one is up (T6).
// Errors    send() on a line that is down, or of another generation: kDisconnected; the message is
// not kept.
// Threads   send(), state questions and stop() from any thread; the handler is called by the
// link's thread only.
// Lifetime  Borrows the handler until stop() returned. The destructor stops.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "ddsnap/base/random.h"
#include "ddsnap/target/server_finder.h"
#include "ddsnap/wire/connection.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

class LinkHandler {
 public:
  virtual ~LinkHandler() = default;
  // A HELLO was answered. An error gives the connection up; it is tried again unless it was the
  // first. After success the link is up.
  virtual Status on_attached(const HelloOkMessage& hello_ok, std::uint64_t generation) = 0;
  virtual void on_lost() = 0;
  // The server said never again: kNotFound, kDropped, or an error of the first attach.
  virtual void on_refused(const Error& error) = 0;
  // An error gives the connection up.
  virtual Status on_frame(const Frame& frame) = 0;
};

struct LinkOptions {
  ServerPlace place;
  TargetRole role = TargetRole::kOrigin;
  std::string tag;    // snapshot targets
  std::string label;  // how messages name this target
  // The first attach waits for agent and server to appear; else their absence is its error.
  bool waits_for_server = false;
};

class ServerLink {
 public:
  ServerLink(LinkOptions options, LinkHandler& handler);
  ~ServerLink();

  void start();
  // Says DETACH where the line is up and waits, bounded, for the answer; then stop().
  void detach_and_stop();
  // No handler call runs or comes any more after it returned. Never hangs.
  void stop();

  template <class Message>
  Status send(const Message& message, std::uint64_t request_id, std::uint64_t generation) {
    return send_frame(encode(message, request_id), generation);
  }

  // Whether the server still holds its end of this very connection, as the socket itself tells: the
  // link's thread may be late to hear that it does not (T6).
  bool is_whole(std::uint64_t generation) const;

  std::string server_address() const { return finder_.last_address(); }

 private:
  enum class State { kSearching, kUp, kRefused, kStopped };

  void run();
  // One attempt: search, HELLO, and the connection to its end. Success: nobody wants another one.
  Status serve_one();
  Status serve(Connection& connection);
  Result<HelloOkMessage> say_hello(Connection& connection);
  HelloMessage hello() const;
  Status receive_until_lost(Connection& connection);
  // Whether to try again; tells the handler when not.
  bool is_worth_retrying(const Error& error);
  bool is_first_attach_failed(const Error& error) const;
  bool is_farewell(const Error& error);
  bool back_off();
  void set_connection(std::shared_ptr<Connection> connection);
  Status send_frame(std::span<const std::byte> frame, std::uint64_t generation);

  const LinkOptions options_;
  LinkHandler& handler_;
  ServerFinder finder_;
  SystemRandom random_;
  const Uuid target_uuid_;
  const Uuid boot_id_;

  // the link's thread alone
  std::optional<HelloOkMessage> attached_as_;
  bool was_ever_attached_ = false;
  enum class Reached { kNothing, kServer, kUp } reached_ = Reached::kNothing;  // by this attempt
  std::uint64_t backoff_ms_ = 0;

  std::mutex send_mutex_;  // one frame at a time; taken before nothing else
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kSearching;         // under mutex_
  bool is_stopping_ = false;                // under mutex_
  bool is_detaching_ = false;               // under mutex_: a lost line is not looked for again
  bool is_detached_ = false;                // under mutex_
  std::uint64_t generation_ = 0;            // under mutex_
  std::shared_ptr<Connection> connection_;  // under mutex_; shared with a send() under way

  std::thread thread_;
};

}  // namespace ddsnap
