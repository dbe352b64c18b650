#include <fmt/format.h>
#include <unistd.h>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/delta_report.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/replica/downstream.h"
#include "ddsnap/replica/server_address.h"

namespace ddsnap {

namespace {

void tell(const std::string& name, const ReceiveReport& report) {
  const std::string what = report.tag.empty() ? report.uuid.to_string() : "'" + report.tag + "'";
  if (report.was_there) {
    fmt::print(stderr, "ddsnap: {}: {} was received before, nothing written\n", name, what);
    return;
  }
  if (report.chunks_put_back != 0)
    fmt::print(stderr, "ddsnap: {}: {} chunks were put back first\n", name,
               with_commas(report.chunks_put_back));
  if (report.apply.was_resumed || ::isatty(STDERR_FILENO) != 0)
    fmt::print(stderr, "ddsnap: {}: {}{} is here: {} chunks written, {} zeroed\n", name,
               report.apply.was_resumed ? "an interrupted stream finished: " : "", what,
               with_commas(report.apply.chunks_written), with_commas(report.apply.chunks_zeroed));
}

}  // namespace

Result<int> cmd_receive(Arguments arguments) {
  std::string name;
  ReceiveOptions options;
  WorkOptions work;
  ArgumentParser parser(
      {.name = "receive",
       .usage = "[--snapshot [TAG]] [--force-revert] [--force] SERVER|DEV",
       .summary =
           "Applies what 'ddsnap send' wrote, from stdin. A volume with a server gets the\n"
           "snapshot, which has the uuid of the one it is a copy of, and nobody sees half of it.\n"
           "Interrupted, it is run again with the same stream."});
  parser.text_option(
      "--snapshot", "TAG", options.tag,
      "What the snapshot is called here (default, and where TAG is left out: as where "
      "it comes from)");
  parser.flag("--force-revert", options.puts_strangers_back,
              "Put back what somebody else wrote here since the stream's older snapshot");
  parser.flag("--force", options.is_forced,
              "Go on where it is not proven that the volume is what the stream starts from; known "
              "wrong content is refused all the same");
  work.declare(parser);
  parser.volume_or_device("SERVER|DEV", name,
                          "A volume's name, the socket of its server, or a device or file",
                          Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;
  if (name.empty()) {  // "--snapshot SERVER" took it for the tag
    name.swap(options.tag);
    if (name.empty())
      return fail(ErrorCode::kUsage, "receive: SERVER|DEV is wanted; see 'ddsnap receive --help'");
    name = DD_TRY(volume_or_device(name));
    if (!names_server(name)) return fail(ErrorCode::kUsage, name + kNoServerNoSnapshot);
  }
  if (!options.tag.empty()) DD_TRY(check_tag(options.tag));

  WorkContext context = DD_TRY(work.context({}));
  const auto downstream = DD_TRY(Downstream::open(name));
  if (::isatty(STDIN_FILENO) != 0)
    return fail(ErrorCode::kUsage, "a delta is read from stdin, and that is a terminal");
  const auto source = DD_TRY(open_source("-", &context.interruption));
  const auto report = downstream->receive(*source, options, context);
  work.end_progress();
  if (!report) return std::unexpected(report.error());
  tell(downstream->name(), *report);
  return 0;
}

}  // namespace ddsnap
