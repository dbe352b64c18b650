#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "ddsnap/base/size_text.h"
#include "ddsnap/base/unique_fd.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

namespace {

// A file with holes would run out of room in the middle of a copy-out (S9).
Status reserve_room(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct stat facts{};
  if (!file || ::fstat(file.get(), &facts) != 0) return fail_errno("cannot open", path);
  if (!S_ISREG(facts.st_mode)) return {};
  const int failed = ::posix_fallocate(file.get(), 0, facts.st_size);
  if (failed != 0) return fail_errno("cannot reserve room for", path, failed);
  return {};
}

void tell(const std::string& server, const ServerStatusMessage& before,
          const ResizedMessage& after) {
  fmt::print(stderr, "ddsnap: {}: origin {} -> {}, snapstore {} -> {} chunks of {}\n", server,
             human_bytes(before.origin_bytes), human_bytes(after.origin_bytes),
             with_commas(before.slots_total), with_commas(after.slots_total),
             human_bytes(std::uint64_t{1} << before.chunk_shift));
}

}  // namespace

Result<int> cmd_resize(Arguments arguments) {
  std::string server;
  bool is_origin = false;
  bool is_snapstore = false;
  ResizeMessage request;
  ArgumentParser parser(
      {.name = "resize",
       .usage = "[--dry-run] [--origin] [--snapstore] SERVER",
       .summary =
           "Makes a volume use what its devices or files have grown by, while it is in use.\n"
           "Shrinking is refused."});
  parser.flag("--dry-run", request.is_dry_run, "Check, tell the sizes that it would have");
  parser.flag("--origin", is_origin,
              "The origin alone. Targets that are attached keep their size until they are made "
              "anew; snapshots keep theirs for ever");
  parser.flag("--snapstore", is_snapstore,
              "The snapstore alone; targets of snapshots are to be ended first");
  parser.server(server);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const bool is_both = is_origin == is_snapstore;
  ServerClient client = DD_TRY(ServerClient::connect(server));
  const ServerStatusMessage before = DD_TRY(client.status());
  if (is_both || is_snapstore) {
    request.snapstore_bytes = kAsItsDevice;
    if (!request.is_dry_run) DD_TRY(reserve_room(before.snapstore_path));
  }
  if (is_both || is_origin) request.origin_bytes = kAsItsDevice;
  tell(server, before, DD_TRY(client.resize(request)));
  return 0;
}

}  // namespace ddsnap
