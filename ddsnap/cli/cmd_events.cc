#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/view/plain_words.h"
#include "ddsnap/view/status_view.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kPause_ns = 500'000'000;

struct Options {
  bool is_once = false;
  bool as_json = false;
  std::string server;
};

void print_event(const EventEntry& event, bool as_json, bool has_colours) {
  if (as_json) {
    const nlohmann::ordered_json one = {{"number", event.number},
                                        {"time", utc_time(event.time_ns)},
                                        {"time_ns", event.time_ns},
                                        {"level", level_name(event.level)},
                                        {"text", event.text}};
    fmt::print("{}\n", one.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  static constexpr const char* kColours[] = {"", "\x1b[33m", "\x1b[1;31m"};
  const char* const colour = has_colours ? kColours[static_cast<int>(event.level) - 1] : "";
  fmt::print("{}  {}{:<7}  {}{}\n", utc_time(event.time_ns), colour, level_name(event.level),
             one_line(event.text), *colour == '\0' ? "" : "\x1b[0m");
}

// What is new; false: nothing. Moves `known` on.
Result<bool> print_new(ServerClient& client, const Options& options, bool has_colours,
                       std::uint64_t& known) {
  bool has_printed = false;
  for (bool has_more = true; has_more;) {
    const EventListMessage part = DD_TRY(client.events(known));
    for (const EventEntry& event : part.entries) {
      print_event(event, options.as_json, has_colours);
      known = event.number;
      has_printed = true;
    }
    has_more = part.has_more;
  }
  if (std::fflush(stdout) != 0) return fail_errno("cannot write to", "standard output");
  return has_printed;
}

// A server that goes away is an event too; the next one is waited for.
Result<ServerClient> wait_for_server(const Options& options, const Interruption& interruption,
                                     const Error& why) {
  fmt::print(stderr, "ddsnap: {}; waiting for it\n", one_line(why.message()));
  for (;;) {
    DD_TRY(interruption.pause(kPause_ns));
    auto client = ServerClient::connect(options.server);
    if (client) return client;
  }
}

Result<int> follow(const Options& options, ServerClient client) {
  const Interruption interruption = DD_TRY(Interruption::by_signals());
  const bool has_colours = TerminalLook::of_output().has_colours;
  for (std::uint64_t known = 0;;) {
    const auto printed = print_new(client, options, has_colours, known);
    if (!printed) {
      if (options.is_once || printed.error().code != ErrorCode::kDisconnected)
        return std::unexpected(printed.error());
      client = DD_TRY(wait_for_server(options, interruption, printed.error()));
      continue;
    }
    if (options.is_once) return 0;
    DD_TRY(interruption.pause(kPause_ns));
  }
}

}  // namespace

Result<int> cmd_events(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "events",
       .usage = "[--once] [--json] SERVER",
       .summary = "Prints what happened to a volume lately, and then what happens, until it is\n"
                  "interrupted: snapshots, devices that come and go, the room, damage."});
  parser.flag("--once", options.is_once, "End after what happened");
  parser.flag("--json", options.as_json, "Print JSON, an object a line");
  parser.server(options.server);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  return follow(options, DD_TRY(ServerClient::connect(options.server)));
}

}  // namespace ddsnap
