#include "server/nbdkit/settings.h"

#include <fmt/format.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

namespace ddsnap {

bool is_request_abandoned() {
  // The one question nbdkit answers about its own end: the sleep is cut short by shutdown, and by
  // the loss of the client's connection.
  constexpr unsigned kShortest_ns = 1000;
  return nbdkit_nanosleep(0, kShortest_ns) != 0;
}

TargetOptions target_options(const PluginSettings& settings) {
  TargetOptions options;
  options.link.place = settings.place();
  options.link.label = fmt::format("nbdkit-{}", ::getpid());
  options.link.waits_for_server = true;
  options.parking.should_give_up = is_request_abandoned;
  options.parking.timeout_ms = settings.timeout_ms;
  options.origin_path = settings.origin;
  options.snapstore_path = settings.snapstore;
  return options;
}

}  // namespace ddsnap
