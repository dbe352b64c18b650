#include "ddsnap/target/server_link.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "ddsnap/base/limits.h"
#include "ddsnap/wire/device_identity.h"

namespace ddsnap {
namespace {

// The one request id of the link itself; the targets count from 1.
constexpr std::uint64_t kDetachRequest = ~std::uint64_t{0};
constexpr std::uint64_t kHelloRequest = ~std::uint64_t{0} - 1;

}  // namespace

ServerLink::ServerLink(LinkOptions options, LinkHandler& handler)
    : options_(std::move(options)),
      handler_(handler),
      finder_(options_.place),
      target_uuid_(Uuid::make(random_)),
      boot_id_(this_boot_id()) {}

ServerLink::~ServerLink() {
  stop();
}

void ServerLink::start() {
  thread_ = std::thread(&ServerLink::run, this);
}

void ServerLink::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    if (connection_) connection_->shut_down();
  }
  finder_.interrupt();
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ServerLink::detach_and_stop() {
  std::unique_lock lock(mutex_);
  is_detaching_ = true;
  if (state_ == State::kUp) {
    const std::uint64_t generation = generation_;
    lock.unlock();
    const Status sent = send(DetachMessage{}, kDetachRequest, generation);
    lock.lock();
    // A server that does not answer will prove us gone by our lock (S8).
    if (sent)
      changed_.wait_for(lock, std::chrono::milliseconds(kDetachPatience_ms),
                        [this] { return is_detached_ || state_ != State::kUp; });
  }
  lock.unlock();
  stop();
}

void ServerLink::run() {
  for (;;) {
    const Status ended = serve_one();
    if (ended) break;  // stopped, or detached
    if (!is_worth_retrying(ended.error())) return;
    if (!back_off()) break;
  }
  const std::lock_guard lock(mutex_);
  state_ = State::kStopped;
}

Status ServerLink::serve_one() {
  reached_ = Reached::kNothing;
  const auto connection = DD_TRY(finder_.connect());
  set_connection(connection);
  const Status ended = serve(*connection);
  set_connection(nullptr);
  if (reached_ == Reached::kUp) handler_.on_lost();
  const std::lock_guard lock(mutex_);
  if (is_stopping_ || is_detaching_) return {};
  return ended;
}

Status ServerLink::serve(Connection& connection) {
  reached_ = Reached::kServer;
  const HelloOkMessage hello_ok = DD_TRY(say_hello(connection));
  {
    // Before the handler tells anybody, who might want to detach at once.
    const std::lock_guard lock(mutex_);
    state_ = State::kUp;
  }
  if (const Status ready = handler_.on_attached(hello_ok, generation_); !ready) {
    // What could not begin leaves no attachment behind; the answer is of no interest.
    if (!was_ever_attached_) (void)connection.send(DetachMessage{}, kDetachRequest);
    return ready;
  }
  reached_ = Reached::kUp;
  attached_as_ = hello_ok;
  was_ever_attached_ = true;
  backoff_ms_ = 0;
  return receive_until_lost(connection);
}

// A new target has no device open yet: it opens them as HELLO_OK says and checks then that they are
// its own (check_told_devices). A returning one names what it has open.
HelloMessage ServerLink::hello() const {
  HelloMessage hello;
  hello.role = options_.role;
  hello.target_uuid = target_uuid_;
  hello.boot_id = boot_id_;
  hello.dm_device_or_pid = static_cast<std::uint64_t>(::getpid());
  hello.label = options_.label.substr(0, kMaxTagBytes);
  if (attached_as_) {
    hello.is_returning = true;
    hello.pair = options_.place.pair;
    hello.is_direct = attached_as_->is_direct;
    hello.attachment_id = attached_as_->attachment_id;
    hello.snapshot_uuid = attached_as_->snapshot_uuid;
  } else if (options_.role == TargetRole::kSnapshot) {
    hello.tag = options_.tag;
  }
  return hello;
}

Result<HelloOkMessage> ServerLink::say_hello(Connection& connection) {
  const Deadline deadline = Deadline::after_ms(kHelloPatience_ms);
  DD_TRY(connection.send(hello(), kHelloRequest, deadline));
  const Frame frame = DD_TRY(connection.receive(deadline));
  DD_TRY(Connection::expect_type(frame, MsgType::kHelloOk));
  return decode<HelloOkMessage>(frame.body);
}

Status ServerLink::receive_until_lost(Connection& connection) {
  for (;;) {
    const Frame frame = DD_TRY(connection.receive());
    if (frame.header.request_id == kDetachRequest) {
      {
        const std::lock_guard lock(mutex_);
        is_detached_ = true;
      }
      changed_.notify_all();
      return {};
    }
    DD_TRY(handler_.on_frame(frame));
  }
}

bool ServerLink::is_worth_retrying(const Error& error) {
  const bool is_final = was_ever_attached_ ? is_farewell(error) : is_first_attach_failed(error);
  if (!is_final) return true;
  {
    const std::lock_guard lock(mutex_);
    state_ = State::kRefused;
  }
  handler_.on_refused(error);
  return false;
}

bool ServerLink::is_first_attach_failed(const Error& error) const {
  if (reached_ == Reached::kNothing) return !options_.waits_for_server;
  if (error.code == ErrorCode::kDisconnected) return !options_.waits_for_server;
  return error.code != ErrorCode::kBusy;
}

bool ServerLink::is_farewell(const Error& error) {
  if (reached_ != Reached::kServer || !attached_as_) return false;
  const bool is_unknown = error.code == ErrorCode::kNotFound;
  if (options_.role == TargetRole::kSnapshot)
    return is_unknown || error.code == ErrorCode::kDropped;
  // The server no longer knows this origin target: since no grant outlives its connection, a new
  // attachment is as good.
  if (is_unknown) attached_as_.reset();
  return false;
}

bool ServerLink::back_off() {
  backoff_ms_ = std::clamp(backoff_ms_ * 2, kFirstBackoff_ms, kLastBackoff_ms);
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(backoff_ms_),
                    [this] { return is_stopping_ || is_detaching_; });
  return !is_stopping_ && !is_detaching_;
}

void ServerLink::set_connection(std::shared_ptr<Connection> connection) {
  {
    const std::lock_guard lock(mutex_);
    if (connection) ++generation_;
    if (!connection && state_ == State::kUp) state_ = State::kSearching;
    connection_ = std::move(connection);
    if (connection_ && is_stopping_) connection_->shut_down();
  }
  changed_.notify_all();
}

bool ServerLink::is_whole(std::uint64_t generation) const {
  const std::lock_guard lock(mutex_);
  if (!connection_ || generation_ != generation) return false;
  pollfd looked_at{connection_->fd(), POLLRDHUP, 0};
  return ::poll(&looked_at, 1, 0) == 0;
}

Status ServerLink::send_frame(std::span<const std::byte> frame, std::uint64_t generation) {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    if (connection_ && generation_ == generation) connection = connection_;
  }
  if (!connection) return fail(ErrorCode::kDisconnected, "the server is not connected");
  const std::lock_guard lock(send_mutex_);
  Status sent = connection->send_frame(frame, Deadline::after_ms(kPatience_ms));
  // Perhaps half of it went out: this line is of no more use.
  if (!sent) connection->shut_down();
  return sent;
}

}  // namespace ddsnap
