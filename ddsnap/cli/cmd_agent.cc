#include "agent/agent_main.h"

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"

namespace ddsnap {

Result<int> cmd_agent(Arguments arguments) {
  AgentOptions options;
  ArgumentParser parser(
      {.name = "agent",
       .usage = "[-f] [-l LOG] [-p PIDFILE] CONTROL",
       .summary = "Runs the agent, one a host: it tells targets where the server of their volume\n"
                  "is. Detaches when its socket accepts, and the exit status tells how it went."});
  parser.flag("-f,--foreground", options.is_foreground, "Do not detach");
  parser.text_option("-l,--log", "LOG", options.log,
                     "Log file (default: stderr with -f, else /var/log/ddsnap.agent.log)");
  parser.text_option("-p,--pidfile", "PIDFILE", options.pid_file, "Write the process id there");
  parser.object("CONTROL", options.control, kControlHelp);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(run_agent(options));
  return 0;
}

}  // namespace ddsnap
