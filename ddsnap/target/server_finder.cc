#include "ddsnap/target/server_finder.h"

#include "ddsnap/base/limits.h"

namespace ddsnap {

std::string ServerFinder::last_address() const {
  const std::lock_guard lock(mutex_);
  return last_address_;
}

void ServerFinder::interrupt() {
  const std::lock_guard lock(mutex_);
  is_interrupted_ = true;
  if (asking_) asking_->shut_down();
}

Result<std::string> ServerFinder::ask_agent() {
  auto agent = std::make_shared<Connection>(
      DD_TRY(Connection::open(place_.control_address, kConnectTimeout_ms)));
  {
    const std::lock_guard lock(mutex_);
    if (is_interrupted_) return fail(ErrorCode::kDisconnected, "the search was interrupted");
    asking_ = agent;
  }
  auto answer = agent->call<ServerAtMessage>(FindServerMessage{place_.pair}, kAgentPatience_ms);
  const std::lock_guard lock(mutex_);
  asking_.reset();
  if (!answer) return with_context(place_.control_address, answer.error());
  return std::move(answer->address);
}

Result<std::shared_ptr<Connection>> ServerFinder::connect_to(const std::string& address) {
  auto connection =
      std::make_shared<Connection>(DD_TRY(Connection::open(address, kConnectTimeout_ms)));
  const std::lock_guard lock(mutex_);
  last_address_ = address;
  return connection;
}

Result<std::shared_ptr<Connection>> ServerFinder::connect() {
  const std::string known = last_address().empty() ? place_.server_address : last_address();
  if (place_.control_address.empty()) return connect_to(known);
  const auto address = ask_agent();
  if (address) return connect_to(*address);
  if (known.empty()) return std::unexpected(address.error());
  return connect_to(known);
}

}  // namespace ddsnap
