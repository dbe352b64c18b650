#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "server/server_main.h"

namespace ddsnap {

namespace {

Result<FileOptions::Caching> parse_direct(const std::string& text) {
  if (text == "on") return FileOptions::Caching::kDirect;
  if (text == "off") return FileOptions::Caching::kBuffered;
  if (text == "auto") return FileOptions::Caching::kAuto;
  return fail(ErrorCode::kUsage, "server: --direct is on, off or auto; see 'ddsnap server --help'");
}

}  // namespace

Result<int> cmd_server(Arguments arguments) {
  ServerOptions options;
  std::uint64_t cache_bytes = kDefaultCacheBytes;
  std::string direct = "auto";
  std::vector<std::string> objects;
  ArgumentParser parser(
      {.name = "server",
       .usage = "[-f] [-l LOG] [-p PIDFILE] [-k CACHE] SNAPSTORE ORIGIN [META] CONTROL SERVER",
       .summary = "Runs the server of one volume. Detaches when its socket accepts, and the exit\n"
                  "status tells how it went."});
  parser.flag("-f,--foreground", options.is_foreground, "Do not detach");
  parser.text_option("-l,--log", "LOG", options.log,
                     "Log file (default: stderr with -f, else /var/log/ddsnap.server.log)");
  parser.text_option("-p,--pidfile", "PIDFILE", options.pid_file, "Write the process id there");
  parser.size_option("-k,--cache", cache_bytes, "Memory for metadata (default 8M)");
  parser.text_option("--direct", "on|off|auto", direct,
                     "Bypass the page cache, as all targets then must (auto: for block devices)");
  parser.objects("OBJECTS", objects,
                 "SNAPSTORE, ORIGIN and META as given to 'ddsnap initialize'; CONTROL: socket of "
                 "the agent; SERVER: the socket to make");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (objects.size() != 4 && objects.size() != 5)
    return fail(ErrorCode::kUsage, "server: 4 or 5 words are wanted; see 'ddsnap server --help'");
  options.direct = DD_TRY(parse_direct(direct));
  options.snapstore = objects[0];
  options.origin = objects[1];
  if (objects.size() == 5) options.metadata = objects[2];
  options.control = objects[objects.size() - 2];
  options.socket = objects.back();
  options.cache_bytes = cache_bytes;
  DD_TRY(run_server(options));
  return 0;
}

}  // namespace ddsnap
