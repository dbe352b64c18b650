#include "ddsnap/replica/listener.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "ddsnap/base/stop_signals.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

namespace {

// Which volumes are in a session.
class BusyVolumes {
 public:
  bool take(const std::string& device) {
    const std::lock_guard lock(mutex_);
    return devices_.insert(device).second;
  }
  void give_back(const std::string& device) {
    const std::lock_guard lock(mutex_);
    devices_.erase(device);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> devices_;
};

class Claim {
 public:
  explicit Claim(BusyVolumes& busy) : busy_(busy) {}
  ~Claim() {
    if (!device_.empty()) busy_.give_back(device_);
  }
  Claim(const Claim&) = delete;
  Status take(const std::string& device) {
    if (!busy_.take(device)) return fail(ErrorCode::kBusy, device + ": another session writes it");
    device_ = device;
    return {};
  }

 private:
  BusyVolumes& busy_;
  std::string device_;
};

class Listener {
 public:
  explicit Listener(const ListenerParts& parts) : parts_(parts) {}

  Status run() {
    stop_fd_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop_fd_) return fail_errno("cannot make", "an event");
    const Status ended = accept_until_told();
    const std::uint64_t one = 1;
    (void)!::write(stop_fd_.get(), &one, sizeof one);
    sessions_.clear();  // waits for their end
    return ended;
  }

 private:
  struct Session {
    std::atomic<bool> is_over = false;
    std::jthread thread;  // the first to go: it sets is_over
  };

  Status accept_until_told() {
    for (;;) {
      std::vector<pollfd> asked{{.fd = parts_.signal_fd, .events = POLLIN, .revents = 0}};
      for (const ListeningTcp& one : parts_.sockets)
        asked.push_back({.fd = one.fd.get(), .events = POLLIN, .revents = 0});
      if (::poll(asked.data(), asked.size(), -1) < 0 && errno != EINTR)
        return fail_errno("cannot wait for", "connections");
      while (const auto number = next_signal(parts_.signal_fd)) {
        if (*number != SIGHUP) return {};
        parts_.on_hangup();
      }
      sessions_.remove_if([](const Session& one) { return one.is_over.load(); });
      for (std::size_t i = 1; i < asked.size(); ++i)
        if (asked[i].revents != 0) admit(asked[i].fd);
    }
  }

  void admit(int listening_fd) {
    auto accepted = accept_tcp(listening_fd);
    if (!accepted) {
      if (accepted.error().code != ErrorCode::kBusy)
        parts_.log.warning("{}", accepted.error().message());
      return;
    }
    if (sessions_.size() >= kMaxSessions) {
      parts_.log.warning("{}: turned away, {} sessions are under way", accepted->peer,
                         sessions_.size());
      return;
    }
    Session& session = sessions_.emplace_back();
    try {
      session.thread = std::jthread([this, &session, one = *std::move(accepted)]() mutable {
        serve(std::move(one));
        session.is_over = true;
      });
    } catch (const std::system_error& error) {
      parts_.log.error("cannot start a thread: {}", error.what());
      sessions_.pop_back();
    }
  }

  void serve(AcceptedTcp accepted) {
    const std::string peer = accepted.peer;
    parts_.log.info("{}: connected", peer);
    const Status served = serve_connected(std::move(accepted));
    if (served) {
      parts_.log.info("{}: ended", peer);
    } else {
      parts_.log.warning("{}: ended: {}", peer, served.error().message());
    }
  }

  Status serve_connected(AcceptedTcp accepted) {
    WorkContext context{.interruption = Interruption(UniqueFd(::dup(stop_fd_.get())))};
    if (parts_.workers > 0) context.workers = parts_.workers;
    auto link = parts_.tls == nullptr
                    ? make_socket_link(std::move(accepted.fd))
                    : parts_.tls->handshake(std::move(accepted.fd), "",
                                            Deadline::after_ms(parts_.hello_patience_ms),
                                            context.interruption);
    if (!link) return std::unexpected(std::move(link).error());
    const KnownSender* const sender = (*link)->sender();
    if (sender != nullptr && !sender->name.empty())
      parts_.log.info("{}: is {}", accepted.peer, sender->name);
    Channel channel(*std::move(link), accepted.peer, {.interruption = &context.interruption});
    Claim claim(busy_);
    const ReceiverOptions options{
        .open = [&](const std::string& volume) -> Result<std::unique_ptr<SessionTarget>> {
          const std::string device = DD_TRY(find_served_volume(parts_.volumes, volume, sender));
          DD_TRY(claim.take(device));
          return open_session_target(device);
        },
        .hello_patience_ms = parts_.hello_patience_ms,
        .patience_ms = parts_.patience_ms};
    return serve_session(channel, options, parts_.log, context);
  }

  const ListenerParts& parts_;
  UniqueFd stop_fd_;
  BusyVolumes busy_;
  std::list<Session> sessions_;
};

}  // namespace

Result<ServedVolumes> parse_served_volumes(const std::vector<std::string>& words) {
  ServedVolumes volumes;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (equals == std::string::npos || equals + 1 == word.size() || !check_tag(name))
      return fail(ErrorCode::kUsage, word + ": NAME=SERVER or NAME=DEV is wanted");
    if (!volumes.emplace(name, word.substr(equals + 1)).second)
      return fail(ErrorCode::kUsage, name + ": named twice");
  }
  if (volumes.empty())
    return fail(ErrorCode::kUsage, "no volume is named: NAME=SERVER or NAME=DEV is wanted");
  return volumes;
}

Result<std::string> find_served_volume(const ServedVolumes& volumes, const std::string& name,
                                       const KnownSender* sender) {
  const bool is_only_one = name.empty() && volumes.size() == 1;
  const auto found = is_only_one ? volumes.begin() : volumes.find(name);
  if (found != volumes.end()) {
    if (sender == nullptr || sender->may_write(found->first)) return found->second;
    return fail(ErrorCode::kNotFound,
                fmt::format("no volume '{}' here for {}", found->first, sender->name));
  }
  if (name.empty()) return fail(ErrorCode::kUsage, "there are several volumes here: name one");
  return fail(ErrorCode::kNotFound, fmt::format("no volume '{}' here", name));
}

Status run_listener(const ListenerParts& parts) {
  return Listener(parts).run();
}

}  // namespace ddsnap
