#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "ddsnap/base/random.h"
#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/locked_device.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/io/file_device.h"
#include "ddsnap/io/ownership_lock.h"
#include "server/store/snap_store.h"

namespace ddsnap {

namespace {

struct Options {
  bool is_sure = false;
  bool is_dry_run = false;
  StoreFormat format;
  std::string snapstore;
  std::string origin;
  std::string metadata;
};

// The devices of the new store, those that will be written locked against a running server.
struct OpenDevices {
  std::unique_ptr<FileDevice> snapstore;
  std::unique_ptr<FileDevice> origin;
  std::unique_ptr<FileDevice> metadata;  // null: on the snapstore
  OwnershipLock snapstore_lock;
  OwnershipLock metadata_lock;

  StoreDevices for_store() const { return {*snapstore, *origin, metadata.get()}; }
};

Result<std::unique_ptr<FileDevice>> open(const std::string& path, DeviceAccess access) {
  return FileDevice::open(path, {.access = access});
}

Result<OpenDevices> open_devices(const Options& options) {
  OpenDevices devices;
  devices.snapstore = DD_TRY(open(options.snapstore, DeviceAccess::kReadWrite));
  devices.origin = DD_TRY(open(options.origin, DeviceAccess::kReadOnly));
  DD_TRY(check_distinct(*devices.snapstore, *devices.origin));
  devices.snapstore_lock = DD_TRY(OwnershipLock::take_patiently(
      devices.snapstore->fd(), LockBytes::all(), LockMode::kExclusive, options.snapstore));
  if (options.metadata.empty()) return devices;
  devices.metadata = DD_TRY(open(options.metadata, DeviceAccess::kReadWrite));
  DD_TRY(check_distinct(*devices.metadata, *devices.snapstore));
  DD_TRY(check_distinct(*devices.metadata, *devices.origin));
  devices.metadata_lock = DD_TRY(OwnershipLock::take_patiently(
      devices.metadata->fd(), LockBytes::all(), LockMode::kExclusive, options.metadata));
  return devices;
}

bool ask_to_overwrite(const std::string& snapstore) {
  fmt::print(stderr, "{} holds a snapstore already. Overwrite it with all its snapshots? (y/N) ",
             snapstore);
  char answer[8] = {};
  return std::fgets(answer, sizeof answer, stdin) != nullptr &&
         (answer[0] == 'y' || answer[0] == 'Y');
}

Status check_overwrite(const Options& options, const OpenDevices& devices) {
  if (options.is_sure || !DD_TRY(is_store(devices.for_store(), options.format))) return {};
  const bool can_ask = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0;
  if (can_ask && !options.is_dry_run && ask_to_overwrite(options.snapstore)) return {};
  return fail(ErrorCode::kExists,
              fmt::format("{}: holds a snapstore already; -y overwrites it with all its snapshots",
                          options.snapstore));
}

// A file with holes would run out of room in the middle of a copy-out (S9). That an empty one is
// too small is for the store to say.
Status reserve_room(const FileDevice& device) {
  if (device.is_block_device() || device.size_bytes() == 0) return {};
  const int failed =
      ::posix_fallocate(device.fd(), 0, static_cast<off_t>(device.geometry().size_bytes));
  if (failed != 0) return fail_errno("cannot reserve room for", device.name(), failed);
  return {};
}

}  // namespace

Result<int> cmd_initialize(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "initialize",
       .usage = "[-y] [-c CHUNK] [-j JOURNAL] SNAPSTORE ORIGIN [META]",
       .summary = "Writes an empty snapstore for an origin. The origin is not touched."});
  parser.flag("-y,--yes", options.is_sure, "Overwrite a snapstore that is there already");
  parser.flag("--dry-run", options.is_dry_run, "Check everything, write nothing");
  parser.chunk_option("-c,--chunk", options.format.chunk_shift,
                      "Unit of copying, a power of two from 4K to 1M (default 16K)");
  parser.size_option("-j,--journal", options.format.journal_bytes,
                     "Size of the journal (default: by the size of the snapstore)");
  parser.object("SNAPSTORE", options.snapstore, kSnapstoreHelp);
  parser.object("ORIGIN", options.origin, kOriginHelp);
  parser.object("META", options.metadata, kMetadataHelp, Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const OpenDevices devices = DD_TRY(open_devices(options));
  DD_TRY(check_overwrite(options, devices));
  if (options.is_dry_run) {
    fmt::print("would write a snapstore to {} ({}) for {} ({}), chunks of {}\n", options.snapstore,
               human_bytes(devices.snapstore->size_bytes()), options.origin,
               human_bytes(devices.origin->size_bytes()),
               human_bytes(std::uint64_t{1} << options.format.chunk_shift));
    return 0;
  }
  DD_TRY(reserve_room(*devices.snapstore));
  if (devices.metadata) DD_TRY(reserve_room(*devices.metadata));
  options.format.created_ns = wall_clock_ns();
  SystemRandom random;
  DD_TRY(initialize_store(devices.for_store(), options.format, random));
  return 0;
}

}  // namespace ddsnap
