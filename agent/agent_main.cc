#include "agent/agent_main.h"

#include "agent/agent.h"
#include "ddsnap/base/daemon.h"
#include "ddsnap/base/daemon_log.h"
#include "ddsnap/base/descriptor_limit.h"
#include "ddsnap/base/stop_signals.h"
#include "ddsnap/base/write_out_path.h"

namespace ddsnap {

namespace {

Status serve(const AgentOptions& options, Daemon& daemon) {
  const UniqueFd signals = DD_TRY(block_stop_signals());
  const auto missing = enter_write_out_path();
  raise_descriptor_limit();
  const auto log = DD_TRY(open_daemon_log(options.log, options.is_foreground, kDefaultAgentLog));
  for (const std::string& sentence : missing) log->warning("{}", sentence);
  ListeningSocket listener = DD_TRY(ListeningSocket::open(options.control));
  const auto agent = DD_TRY(Agent::make({listener, *log, signals.get(), [&] {
                                           if (const Status again = log->reopen(); !again)
                                             log->error("{}", again.error().message());
                                         }}));
  log->info("ddsnap agent " DDSNAP_VERSION ": at {}", options.control);
  DD_TRY(daemon.ready());
  return agent->run();
}

}  // namespace

Status run_agent(AgentOptions options) {
  for (std::string* path : {&options.control, &options.log, &options.pid_file})
    *path = absolute_path(*path);
  Daemon daemon = DD_TRY(Daemon::begin(
      {.program = "ddsnap", .is_foreground = options.is_foreground, .pid_path = options.pid_file}));
  const Status served = serve(options, daemon);
  if (!served) daemon.failed(served.error());
  return served;
}

}  // namespace ddsnap
