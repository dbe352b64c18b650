// Receives sessions over TCP: `ddsnap listen`.
//
// Shape     One thread a session, at most kMaxSessions; who comes then is turned away. A stranger
//           has kSessionHelloPatience_ms to prove that he has the key and to name a volume; one
//           volume is in one session at a time. Whatever is refused is logged, and nothing was
//           written.
// Errors    run() returns what ends the listener; what goes wrong in a session ends that alone.
// Threads   run() by one thread; it makes the others and waits for their end.
// Lifetime  Borrows everything. A signal on signal_fd ends it: sessions are interrupted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/log.h"
#include "ddsnap/base/result.h"
#include "ddsnap/replica/session_receiver.h"
#include "ddsnap/replica/tcp_socket.h"
#include "ddsnap/replica/tls_link.h"

namespace ddsnap {

// What a sender may name, and the device or server that it means.
using ServedVolumes = std::map<std::string, std::string>;

// "NAME=SERVER" or "NAME=DEV" each. kUsage.
Result<ServedVolumes> parse_served_volumes(const std::vector<std::string>& words);
// The target of a name; an empty one is the only volume there is. kNotFound, also where this sender
// (null: any) may not write it.
Result<std::string> find_served_volume(const ServedVolumes& volumes, const std::string& name,
                                       const KnownSender* sender = nullptr);

struct ListenerParts {
  const std::vector<ListeningTcp>& sockets;
  const ServedVolumes& volumes;
  const TlsContext* tls = nullptr;  // null: in the clear
  LogSink& log;
  int signal_fd = -1;
  std::function<void()> on_hangup = [] {};
  std::uint64_t hello_patience_ms = kSessionHelloPatience_ms;
  std::uint64_t patience_ms = kSessionPatience_ms;
  unsigned workers = 0;  // threads of one session's decoding; 0: one a processor
};

Status run_listener(const ListenerParts& parts);

}  // namespace ddsnap
