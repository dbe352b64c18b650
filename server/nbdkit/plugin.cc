// The nbdkit plugin: origin and snapshots of one volume over NBD.
//
//   nbdkit nbdkit-ddsnap-plugin.so snapstore=S origin=O control=C [server=SOCKET] [timeout=SECONDS]
//
// Export "" or "origin" is the origin, "TAG" a writable snapshot, "FROM..TO" a read-only view of TO
// whose extents say what changed since FROM.
//
// Threads   PARALLEL. Threads of ours are made by the first open, after nbdkit has forked.
// Lifetime  A parked request asks nbdkit every few milliseconds whether it shuts down (T3), so
// SIGTERM never hangs on a dead server.
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "ddsnap/wire/device_identity.h"
#include "server/nbdkit/export_registry.h"
#include "server/nbdkit/volume_catalog.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

namespace {

using namespace ddsnap;
using Lease = ExportRegistry::Lease;

// nbdkit's callbacks come without a context of ours, so these two stand for the plugin itself.
PluginSettings settings;
std::unique_ptr<ExportRegistry> registry;

int errno_of(const Error& error) {
  if (error.sys_errno != 0) return error.sys_errno;
  switch (error.code) {
    case ErrorCode::kNoSpace:
      return ENOSPC;
    case ErrorCode::kUsage:
      return EINVAL;
    case ErrorCode::kNotFound:
      return ENOENT;
    default:
      return EIO;
  }
}

int report(const Error& error) {
  nbdkit_error("ddsnap: %s", error.message().c_str());
  nbdkit_set_error(errno_of(error));
  return -1;
}

int report(const Status& status) {
  return status ? 0 : report(status.error());
}

Export& export_of(void* handle) {
  return **static_cast<Lease*>(handle);
}

Durability durability_of(std::uint32_t flags) {
  return (flags & NBDKIT_FLAG_FUA) != 0 ? Durability::kFua : Durability::kLater;
}

// ---- parameters ----

// nbdkit changes to the root directory later; an abstract name is no path.
int set_path(std::string& setting, const char* value) {
  if (value[0] == '@') {
    setting = value;
    return 0;
  }
  char* absolute = nbdkit_absolute_path(value);
  if (absolute == nullptr) return -1;
  setting = absolute;
  std::free(absolute);
  return 0;
}

int set_timeout(const char* value) {
  unsigned seconds = 0;
  if (nbdkit_parse_unsigned("timeout", value, &seconds) != 0) return -1;
  settings.timeout_ms = std::uint64_t{seconds} * 1000;
  return 0;
}

int ddsnap_config(const char* key, const char* value) {
  if (std::strcmp(key, "snapstore") == 0) return set_path(settings.snapstore, value);
  if (std::strcmp(key, "origin") == 0) return set_path(settings.origin, value);
  if (std::strcmp(key, "control") == 0) return set_path(settings.control, value);
  if (std::strcmp(key, "server") == 0) return set_path(settings.server, value);
  if (std::strcmp(key, "timeout") == 0) return set_timeout(value);
  nbdkit_error("unknown parameter '%s'", key);
  return -1;
}

int ddsnap_config_complete() {
  if (settings.control.empty() && settings.server.empty()) {
    nbdkit_error("control=SOCKET (of the ddsnap agent) or server=SOCKET is required");
    return -1;
  }
  const bool has_devices = !settings.snapstore.empty() && !settings.origin.empty();
  if (!settings.control.empty() && !has_devices) {
    nbdkit_error("snapstore=DEVICE and origin=DEVICE are required, to find their server");
    return -1;
  }
  return 0;
}

int ddsnap_get_ready() {
  if (!settings.snapstore.empty() && !settings.origin.empty()) {
    const auto pair = identify_pair(settings.snapstore, settings.origin);
    if (!pair) return report(pair.error());
    settings.pair = *pair;
  }
  registry = std::make_unique<ExportRegistry>(settings);
  return 0;
}

void ddsnap_unload() {
  registry.reset();
}

// ---- exports ----

int ddsnap_list_exports(int, int, nbdkit_exports* exports) {
  auto catalog = VolumeCatalog::connect(settings.place());
  if (!catalog) return report(catalog.error());
  const auto snapshots = catalog->snapshots();
  if (!snapshots) return report(snapshots.error());
  if (nbdkit_add_export(exports, "origin", "the origin") != 0) return -1;
  for (const SnapshotEntry& snapshot : *snapshots) {
    if (snapshot.state != BoundaryState::kLive) continue;
    const std::string text =
        fmt::format("ddsnap snapshot uuid={} tag={}", snapshot.uuid.to_string(), snapshot.tag);
    if (nbdkit_add_export(exports, snapshot.tag.c_str(), text.c_str()) != 0) return -1;
  }
  return 0;
}

const char* ddsnap_default_export(int, int) {
  return "origin";
}

void* ddsnap_open(int) {
  auto lease = registry->acquire(nbdkit_export_name());
  if (lease) return lease->release();  // until ddsnap_close()
  report(lease.error());
  return nullptr;
}

void ddsnap_close(void* handle) {
  delete static_cast<Lease*>(handle);
}

const char* ddsnap_export_description(void* handle) {
  return export_of(handle).description().c_str();
}

int64_t ddsnap_get_size(void* handle) {
  return static_cast<int64_t>(export_of(handle).size_bytes());
}

int ddsnap_block_size(void* handle, uint32_t* minimum, uint32_t* preferred, uint32_t* maximum) {
  const Export& target = export_of(handle);
  *minimum = target.block_bytes();
  *preferred = std::max(target.chunk_bytes(), target.block_bytes());
  *maximum = 0xffffffff;
  return 0;
}

int ddsnap_can_write(void* handle) {
  return export_of(handle).is_writable() ? 1 : 0;
}
// One target serves all connections, so what one has flushed or seen holds for all.
int ddsnap_can_multi_conn(void*) {
  return 1;
}
int ddsnap_can_fua(void*) {
  return NBDKIT_FUA_NATIVE;
}
int ddsnap_can_yes(void*) {
  return 1;
}
int ddsnap_can_no(void*) {
  return 0;
}
int ddsnap_can_cache(void*) {
  return NBDKIT_CACHE_NONE;
}

// ---- I/O ----

int ddsnap_pread(void* handle, void* buffer, uint32_t count, uint64_t offset, uint32_t) {
  const std::span bytes(static_cast<std::byte*>(buffer), count);
  return report(export_of(handle).read(offset, bytes));
}

int ddsnap_pwrite(void* handle, const void* buffer, uint32_t count, uint64_t offset,
                  uint32_t flags) {
  const std::span bytes(static_cast<const std::byte*>(buffer), count);
  return report(export_of(handle).write(offset, bytes, durability_of(flags)));
}

int ddsnap_flush(void* handle, uint32_t) {
  return report(export_of(handle).flush());
}

int ddsnap_trim(void* handle, uint32_t count, uint64_t offset, uint32_t flags) {
  Status status = export_of(handle).trim({offset, count});
  if (status && durability_of(flags) == Durability::kFua) status = export_of(handle).flush();
  return report(status);
}

int ddsnap_zero(void* handle, uint32_t count, uint64_t offset, uint32_t flags) {
  return report(export_of(handle).write_zeroes({offset, count}, durability_of(flags)));
}

std::uint32_t extent_type(Extent::Kind kind) {
  switch (kind) {
    case Extent::Kind::kZero:
      return NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;
    case Extent::Kind::kUnchanged:
      return NBDKIT_EXTENT_HOLE;  // never ZERO: content is there
    case Extent::Kind::kData:
      break;
  }
  return 0;
}

int ddsnap_extents(void* handle, uint32_t count, uint64_t offset, uint32_t,
                   nbdkit_extents* extents) {
  const auto known = export_of(handle).extents({offset, count});
  if (!known) return report(known.error());
  for (const Extent& extent : *known)
    if (nbdkit_add_extent(extents, extent.range.offset_bytes, extent.range.length_bytes,
                          extent_type(extent.kind)) != 0)
      return -1;
  return 0;
}

nbdkit_plugin make_plugin() {
  nbdkit_plugin plugin = {};
  plugin.name = "ddsnap";
  plugin.longname = "ddsnap origin and snapshots";
  plugin.version = DDSNAP_VERSION;
  plugin.description = "Serves a volume under ddsnap and its snapshots.";
  plugin.config_help =
      "snapstore=DEVICE  origin=DEVICE  (required with control)\n"
      "control=SOCKET    of the ddsnap agent\n"
      "server=SOCKET     of the ddsnap server, where it is known\n"
      "timeout=SECONDS   fail requests that wait longer for the server (default: wait)";
  plugin.unload = ddsnap_unload;
  plugin.config = ddsnap_config;
  plugin.config_complete = ddsnap_config_complete;
  plugin.get_ready = ddsnap_get_ready;
  plugin.list_exports = ddsnap_list_exports;
  plugin.default_export = ddsnap_default_export;
  plugin.open = ddsnap_open;
  plugin.close = ddsnap_close;
  plugin.export_description = ddsnap_export_description;
  plugin.get_size = ddsnap_get_size;
  plugin.block_size = ddsnap_block_size;
  plugin.can_write = ddsnap_can_write;
  plugin.can_multi_conn = ddsnap_can_multi_conn;
  plugin.can_fua = ddsnap_can_fua;
  plugin.can_flush = ddsnap_can_yes;
  plugin.can_trim = ddsnap_can_yes;
  plugin.can_zero = ddsnap_can_yes;
  plugin.can_fast_zero = ddsnap_can_no;
  plugin.can_extents = ddsnap_can_yes;
  plugin.can_cache = ddsnap_can_cache;
  plugin.pread = ddsnap_pread;
  plugin.pwrite = ddsnap_pwrite;
  plugin.flush = ddsnap_flush;
  plugin.trim = ddsnap_trim;
  plugin.zero = ddsnap_zero;
  plugin.extents = ddsnap_extents;
  plugin.errno_is_preserved = 0;
  return plugin;
}

nbdkit_plugin plugin = make_plugin();

}  // namespace

extern "C" {
NBDKIT_REGISTER_PLUGIN(plugin)
}
