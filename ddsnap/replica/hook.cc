#include "ddsnap/replica/hook.h"

#include <fmt/format.h>

#include "ddsnap/replica/child.h"

namespace ddsnap {

Status run_hook(const std::string& what, const std::string& command, const std::string& volume,
                const Interruption& interruption) {
  if (command.empty()) return {};
  Child child = DD_TRY(
      Child::start({"/bin/sh", "-c", command},
                   {.output = Child::Output::kOurs, .environment = {"DDSNAP_VOLUME=" + volume}}));
  const auto ran = child.finish(interruption);
  if (ran) return {};
  return fail(ran.error().code,
              fmt::format("the command '{}' ({}): {}", command, what, ran.error().text));
}

}  // namespace ddsnap
