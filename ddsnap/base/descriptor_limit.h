// Room for as many connections as a daemon may have.
#pragma once

#include <sys/resource.h>

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

// Raises the soft limit of descriptors as far as the hard one lets it. Best effort: what is missing
// shows up as a refused connection.
inline void raise_descriptor_limit() {
  constexpr rlim_t kSpare = 256;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = kMaxConnections + kSpare;
  if (limit.rlim_cur >= wanted) return;
  if (limit.rlim_max < wanted) {  // root may raise it
    const rlimit higher{wanted, wanted};
    if (::setrlimit(RLIMIT_NOFILE, &higher) == 0) return;
  }
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace ddsnap
