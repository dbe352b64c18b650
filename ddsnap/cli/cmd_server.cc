#include "ddsnap/cli/argument_parser.h"
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

Result<OnStoreFailure> parse_on_failure(const std::string& text) {
  if (text == "go-on") return OnStoreFailure::kOriginGoesOn;
  if (text == "stop") return OnStoreFailure::kOriginStops;
  return fail(ErrorCode::kUsage,
              "server: --on-store-failure is go-on or stop; see 'ddsnap server --help'");
}

// "80", "80,95", or "0": none.
Result<std::array<std::uint8_t, 2>> parse_shares(const std::string& text) {
  std::array<std::uint8_t, 2> shares = {};
  const auto comma = text.find(',');
  const std::string words[2] = {text.substr(0, comma),
                                comma == std::string::npos ? "0" : text.substr(comma + 1)};
  for (std::size_t i = 0; i < shares.size(); ++i)
    shares[i] = static_cast<std::uint8_t>(DD_TRY(parse_number("--warn-at", words[i], 0, 100)));
  return shares;
}

}  // namespace

Result<int> cmd_server(Arguments arguments) {
  ServerOptions options;
  std::uint64_t cache_bytes = kDefaultCacheBytes;
  std::string direct = "auto";
  std::string on_failure;
  std::string warn_at;
  std::vector<std::string> objects;
  ArgumentParser parser(
      {.name = "server",
       .usage = "[-f] [-l LOG] [-p PIDFILE] [-k CACHE] [--resume|--without-store]\n"
                "                     SNAPSTORE ORIGIN [META] CONTROL SERVER",
       .summary = "Runs the server of one volume. Detaches when its socket accepts, and the exit\n"
                  "status tells how it went."});
  parser.flag("-f,--foreground", options.is_foreground, "Do not detach");
  parser.text_option("-l,--log", "LOG", options.log,
                     "Log file (default: stderr with -f, else /var/log/ddsnap.server.log)");
  parser.text_option("-p,--pidfile", "PIDFILE", options.pid_file, "Write the process id there");
  parser.size_option("-k,--cache", cache_bytes, "Memory for metadata (default 8M)");
  parser.text_option("--direct", "on|off|auto", direct,
                     "Bypass the page cache, as all targets then must (auto: for block devices)");
  parser.text_option("--on-store-failure", "go-on|stop", on_failure,
                     "When the snapstore fails, kept in it: its snapshots are lost and the origin "
                     "goes on (at first), or they are kept and first writes get errors");
  parser.text_option("--warn-at", "PERCENT[,PERCENT]", warn_at,
                     "Warn when so much of the snapstore is used, kept in it (at first 80,95; 0: "
                     "never)");
  parser.flag("--resume", options.must_resume,
              "Take a snapstore back that has stepped down, after its device was mended");
  parser.flag("--without-store", options.is_without_store,
              "Open the origin although its snapstore is dead; all snapshots are lost");
  parser.exclude_each_other({{"--resume", "--without-store"}});
  parser.objects("OBJECTS", objects,
                 "SNAPSTORE, ORIGIN and META as given to 'ddsnap initialize'; CONTROL: socket of "
                 "the agent; SERVER: the socket to make");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (objects.size() != 4 && objects.size() != 5)
    return fail(ErrorCode::kUsage, "server: 4 or 5 words are wanted; see 'ddsnap server --help'");
  options.direct = DD_TRY(parse_direct(direct));
  if (!on_failure.empty()) options.on_store_failure = DD_TRY(parse_on_failure(on_failure));
  if (!warn_at.empty()) options.warn_percent = DD_TRY(parse_shares(warn_at));
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
