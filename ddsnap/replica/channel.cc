#include "ddsnap/replica/channel.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ddsnap {

namespace {

constexpr std::size_t kStepBytes = 64u << 10;
constexpr std::size_t kRatedStepBytes = 16u << 10;
constexpr std::uint64_t kFarewell_ms = 2'000;

}  // namespace

Channel::Channel(std::unique_ptr<ByteLink> link, std::string peer, const ChannelOptions& options)
    : link_(std::move(link)), peer_(std::move(peer)), options_(options) {
  if (options_.interruption == nullptr) options_.interruption = &never_;
}

std::unexpected<Error> Channel::named(Error error) const {
  return with_context(peer_, std::move(error));
}

Deadline Channel::deadline_for(std::size_t bytes) const {
  return Deadline::after_ms(options_.patience_ms + bytes * 1000 / kMinSessionBytesPerSecond);
}

bool Channel::take_in() {
  if (end_) return false;
  if (ahead_at_ == ahead_.size()) {
    ahead_.clear();
    ahead_at_ = 0;
  }
  const std::size_t had = ahead_.size();
  ahead_.resize(had + kStepBytes);
  const auto step = link_->read_some(std::span(ahead_).subspan(had));
  const std::size_t got = step ? step->bytes : 0;
  ahead_.resize(had + got);
  received_bytes_ += got;
  if (!step) end_ = step.error();
  return got > 0;
}

std::size_t Channel::take_buffered(std::span<std::byte> into) {
  const std::size_t count = std::min(into.size(), ahead_.size() - ahead_at_);
  if (count > 0) std::memcpy(into.data(), ahead_.data() + ahead_at_, count);
  ahead_at_ += count;
  return count;
}

Status Channel::wait(short wants, bool takes_in, Deadline deadline) {
  pollfd asked[3] = {{.fd = options_.interruption->fd(), .events = POLLIN, .revents = 0},
                     {.fd = link_->write_fd(), .events = 0, .revents = 0},
                     {.fd = link_->read_fd(), .events = 0, .revents = 0}};
  if (wants == POLLOUT) asked[1].events = POLLOUT;
  if (wants == POLLIN || takes_in) asked[2].events = POLLIN;
  for (int i = 1; i < 3; ++i)
    if (asked[i].events == 0) asked[i].fd = -1;  // else its end would be told over and over
  const int ready = ::poll(asked, 3, deadline.poll_timeout_ms());
  if (ready < 0 && errno != EINTR) return fail_errno("cannot wait for", peer_);
  if (ready > 0 && asked[0].revents != 0) return fail(ErrorCode::kInterrupted, "interrupted");
  if (ready == 0 && deadline.has_passed())
    return fail(ErrorCode::kBusy, fmt::format("{}: it was too slow and is given up", peer_));
  return {};
}

Status Channel::write(std::span<const std::byte> bytes) {
  const Deadline deadline = deadline_for(bytes.size());
  while (!bytes.empty()) {
    // What is limited is what goes out, so it is asked for piece by piece.
    const auto piece = bytes.first(std::min(bytes.size(), kRatedStepBytes));
    DD_TRY(options_.rate_limit.take(piece.size(), *options_.interruption));
    for (auto rest = piece; !rest.empty();) {
      const auto step = link_->write_some(rest);
      if (!step) {
        while (ahead_.size() - ahead_at_ < kMaxSessionAheadBytes && take_in()) continue;
        return named(step.error());
      }
      rest = rest.subspan(step->bytes);
      sent_bytes_ += step->bytes;
      if (step->bytes > 0) continue;
      const bool takes_in = !end_ && ahead_.size() - ahead_at_ < kMaxSessionAheadBytes;
      DD_TRY(wait(step->wants, takes_in, deadline));
      if (takes_in) take_in();
    }
    bytes = bytes.subspan(piece.size());
  }
  return {};
}

Result<bool> Channel::read_or_end(std::span<std::byte> into) {
  const Deadline deadline = deadline_for(into.size());
  bool has_begun = false;
  while (!into.empty()) {
    const std::size_t count = take_buffered(into);
    into = into.subspan(count);
    has_begun |= count > 0;
    if (into.empty() || count > 0 || take_in()) continue;
    if (end_ && end_->code == ErrorCode::kDisconnected && !has_begun) return false;
    if (end_) return named(*end_);
    DD_TRY(wait(POLLIN, false, deadline));
  }
  return true;
}

Status Channel::read(std::span<std::byte> into) {
  if (DD_TRY(read_or_end(into))) return {};
  return named(*end_);
}

bool Channel::has_input() {
  return ahead_at_ < ahead_.size() || take_in();
}

void Channel::finish() {
  link_->end_writing();
  const Deadline deadline = Deadline::after_ms(std::min(kFarewell_ms, options_.patience_ms));
  while (!end_ && !deadline.has_passed()) {
    ahead_at_ = ahead_.size();  // of no account any more
    if (!take_in() && !end_ && !wait(POLLIN, false, deadline)) return;
  }
}

}  // namespace ddsnap
