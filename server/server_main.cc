#include "server/server_main.h"

#include "ddsnap/base/daemon.h"
#include "ddsnap/base/daemon_log.h"
#include "ddsnap/base/descriptor_limit.h"
#include "ddsnap/base/random.h"
#include "ddsnap/base/stop_signals.h"
#include "ddsnap/base/write_out_path.h"
#include "ddsnap/io/device_stack.h"
#include "ddsnap/wire/device_identity.h"
#include "server/closed_note.h"
#include "server/event_ring.h"
#include "server/served_devices.h"
#include "server/server_loop.h"
#include "server/stand_in_store.h"
#include "server/store/superblock.h"
#include "server/system_probe.h"

namespace ddsnap {

namespace {

void make_paths_absolute(ServerOptions& options) {
  for (std::string* path : {&options.snapstore, &options.origin, &options.metadata,
                            &options.control, &options.socket, &options.log, &options.pid_file})
    *path = absolute_path(*path);
}

// T9: whatever the server touches while writers of the origin wait for it.
Status refuse_own_files_on_origin(const ServerOptions& options, const FileDevice& origin) {
  const StackBottom bottom = DD_TRY(stack_bottom_of(origin.fd(), origin.name()));
  const std::string log =
      options.log.empty() && !options.is_foreground ? kDefaultServerLog : options.log;
  DD_TRY(refuse_path_on(options.snapstore, "snapstore", bottom));
  DD_TRY(refuse_path_on(options.metadata, "metadata device", bottom));
  DD_TRY(refuse_path_on(options.socket, "server socket", bottom));
  DD_TRY(refuse_path_on(options.control, "control socket", bottom));
  DD_TRY(refuse_path_on(options.pid_file, "pid file", bottom));
  DD_TRY(refuse_path_on(log, "log", bottom));
  return refuse_swap_on(bottom);
}

VolumeConfig config_of(const ServerOptions& options, ServedDevices& devices, const ClosedNote& note,
                       const EventRing& events) {
  return {.pair = devices.pair(),
          .is_direct = devices.is_direct(),
          .origin_path = options.origin,
          .snapstore_path = options.snapstore,
          .metadata_path = options.metadata,
          .is_without_store = options.is_without_store,
          .events = &events,
          .refresh_devices = [&devices] { return devices.refresh_sizes(); },
          .keep_closed_note = [note](const std::string& why) { return note.keep(why); }};
}

// What can be read of a store that perhaps cannot be opened.
Result<Superblock> peek(ServedDevices& devices) {
  const StoreDevices all = devices.store_devices();
  const auto read =
      read_superblock(all.metadata ? *all.metadata : all.snapstore, StoreRole::kMetadata);
  if (!read) return std::unexpected(read.error());
  return read->superblock;
}

Status apply_settings(const ServerOptions& options, SnapStore& store) {
  StoreSettings settings = store.settings();
  settings.on_failure = options.on_store_failure.value_or(settings.on_failure);
  settings.warn_percent = options.warn_percent.value_or(settings.warn_percent);
  return store.set_settings(settings);
}

Result<std::unique_ptr<SnapStore>> open_store(const ServerOptions& options, ServedDevices& devices,
                                              const ClosedNote& note, RandomSource& random) {
  auto store = DD_TRY(SnapStore::open(devices.store_devices(),
                                      {.cache_bytes = options.cache_bytes,
                                       .must_resume = options.must_resume,
                                       .was_closed = note.is_there()},
                                      random));
  DD_TRY(apply_settings(options, *store));
  if (options.must_resume) DD_TRY(note.remove());
  return store;
}

// The origin without its store: first it is made sure that nobody takes the store for a good one
// later.
Result<StandInStore> open_without_store(ServedDevices& devices, const Result<Superblock>& known,
                                        const ClosedNote& note, RandomSource& random) {
  const std::string why = "an administrator opened the origin without it";
  if (!close_unopened_store(devices.store_devices(), why)) DD_TRY(note.keep(why));
  StoreFormat format;
  if (known) {
    format.uuid = known->store;
    format.chunk_shift = known->layout.chunk_shift;
  }
  return StandInStore::make(devices.origin(), format, random);
}

void log_start(const ServerOptions& options, const ServedDevices& devices, const SnapStore& store,
               const std::vector<std::string>& missing, LogSink& log) {
  log.info("ddsnap server " DDSNAP_VERSION ": {} with snapstore {} ({}), {} snapshots, at {}",
           options.origin, options.snapstore, devices.is_direct() ? "O_DIRECT" : "buffered",
           store.boundary_count(), options.socket);
  for (const std::string& sentence : missing) log.warning("{}", sentence);
  for (const std::string& finding : store.findings()) log.error("recovery: {}", finding);
  if (options.is_without_store)
    log.error("the origin is opened without its snapstore: no snapshots, no tracking");
  const StepDown& fall = store.step_down();
  if (fall.rung != Rung::kWorks)
    log.error("the snapstore has stepped down ({}): {}; 'ddsnap server --resume' takes it back",
              fall.rung == Rung::kNoNewSnapshots ? "no new snapshots" : "tracking only", fall.why);
}

Status serve(const ServerOptions& options, Daemon& daemon) {
  const UniqueFd signals = DD_TRY(block_stop_signals());
  const auto missing = enter_write_out_path();
  raise_descriptor_limit();
  SystemRandom random;
  const auto devices = DD_TRY(
      ServedDevices::open({options.snapstore, options.origin, options.metadata}, options.direct));
  DD_TRY(refuse_own_files_on_origin(options, devices->origin()));
  const auto log = DD_TRY(open_daemon_log(options.log, options.is_foreground, kDefaultServerLog));
  EventRing events(*log);
  const auto known = peek(*devices);
  const ClosedNote note(DD_TRY(closed_note_folder()), known ? known->store : Uuid{},
                        options.snapstore);
  DD_TRY(refuse_path_on(note.folder(), "folder of notes",
                        DD_TRY(stack_bottom_of(devices->origin().fd(), options.origin))));
  std::optional<StandInStore> stand_in;
  std::unique_ptr<SnapStore> opened;
  if (options.is_without_store)
    stand_in = DD_TRY(open_without_store(*devices, known, note, random));
  else
    opened = DD_TRY(open_store(options, *devices, note, random));
  SnapStore* store = stand_in ? &stand_in->store() : opened.get();
  log_start(options, *devices, *store, missing, events);

  SystemProbe probe(devices->snapstore(), devices->origin(), this_boot_id());
  Volume volume(*store, devices->origin(), config_of(options, *devices, note, events), random,
                probe, events);
  ListeningSocket listener = DD_TRY(ListeningSocket::open(options.socket));
  AgentLink agent(options.control, {devices->pair(), options.socket}, events);
  const auto loop =
      DD_TRY(ServerLoop::make({volume, *store, listener, agent, events, signals.get(), [&] {
                                 if (const Status again = log->reopen(); !again)
                                   log->error("{}", again.error().message());
                               }}));
  DD_TRY(daemon.ready());
  const Status ran = loop->run();
  const Status closed = store->close_cleanly();
  if (!ran) events.error("the server ends: {}", ran.error().message());
  if (!closed) log->error("the store was not closed cleanly: {}", closed.error().message());
  log->info("the server has stopped");
  DD_TRY(ran);
  return closed;
}

}  // namespace

Status run_server(ServerOptions options) {
  make_paths_absolute(options);
  Daemon daemon = DD_TRY(Daemon::begin(
      {.program = "ddsnap", .is_foreground = options.is_foreground, .pid_path = options.pid_file}));
  const Status served = serve(options, daemon);
  if (!served) daemon.failed(served.error());
  return served;
}

}  // namespace ddsnap
