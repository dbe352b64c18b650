#include "tests/support/volume_sim.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/support/sim_population.h"
#include "tests/support/sim_server.h"

namespace ddsnap::test {

namespace {

constexpr std::size_t kCrashImages = 8;
constexpr std::uint64_t kRestDeadline = 400 * kSimSecond;
// Each create that waits behind others may cost a barrier's deadline.
constexpr std::uint64_t kLongStallGrace = 400 * kSimSecond;

class VolumeSim {
 public:
  VolumeSim(std::uint64_t seed, std::uint64_t operations, bool is_verbose)
      : seed_(seed),
        operations_(operations),
        host_(seed, is_verbose),
        server_(host_),
        population_(host_) {
    host_.is_gone = [this](const Attachment& attachment) {
      return population_.is_gone(attachment);
    };
    host_.origin_writer = [this] { return population_.origin_writer(); };
    host_.reader_of = [this](const Uuid& snapshot) { return population_.reader_of(snapshot); };
    host_.check_landing = [this](ChunkNr chunk) { server_.check_landing(chunk); };
  }

  VolumeSimResult run() {
    if (prepare()) {
      while (!host_.is_over() && host_.tally.operations() < operations_) step();
      if (!host_.is_over()) come_to_rest();
      if (!host_.is_over()) look_at_the_end();
    }
    return {host_.wrong, host_.tally};
  }

 private:
  // ---- the world ----
  bool prepare();
  void boot();
  void power_cut();
  void plan_power_cut();
  void step();

  // ---- what befalls it ----
  void plan_faults();
  void every(std::uint64_t mean_ns, void (VolumeSim::*act)());
  void kill_target() { population_.kill_any(); }
  void stall_target() { population_.stall_any(); }
  void cut_line() { host_.network.cut_any(); }
  void fail_io();

  // ---- the end ----
  void come_to_rest();
  void run_until(std::uint64_t until_ns, bool (VolumeSim::*is_done)() const);
  bool are_clients_idle() const;
  bool is_at_rest() const;
  std::string who_waits() const;
  void look_at_the_end();
  std::string check_dropped() const;
  void restart_cleanly();
  bool is_unattended() const;
  bool is_attended() const;
  void all_leave();
  void write_behind_its_back();
  void delete_all();

  const std::uint64_t seed_;
  const std::uint64_t operations_;
  SimHost host_;
  SimServer server_;
  SimPopulation population_;
  const SimOriginTarget* newcomer_ = nullptr;  // the last target, at the very end
  std::uint64_t last_world_ = 0;
};

// ---- the world ----

bool VolumeSim::prepare() {
  const SimShape& shape = host_.shape;
  host_.world = std::make_unique<SimWorld>(seed_);
  host_.world->add_device("origin", {.size_bytes = shape.volume_bytes});
  host_.world->add_device("snapstore", {.size_bytes = shape.snapstore_bytes});
  if (shape.metadata_bytes != 0)
    host_.world->add_device("metadata", {.size_bytes = shape.metadata_bytes});
  const Status made =
      initialize_store(host_.devices(), {.chunk_shift = kSimChunkShift}, host_.random);
  if (!made) {
    host_.found("initialize: " + made.error().message());
    return false;
  }
  host_.trace("{} bytes, {} of snapstore, {} of metadata; {} origin targets, {} snapshot targets{}",
              shape.volume_bytes, shape.snapstore_bytes, shape.metadata_bytes, shape.origin_targets,
              shape.snapshot_targets, shape.is_tight ? ", tight" : "");
  boot();
  return true;
}

void VolumeSim::boot() {
  host_.boot_id = Uuid::make(host_.random);
  plan_power_cut();
  server_.start_after(host_.random.below(100 * kSimMs));
  population_.populate();
  plan_faults();
}

void VolumeSim::plan_power_cut() {
  const std::uint64_t mean = host_.shape.power_cut_mean;
  if (mean == 0 || host_.is_calm) return;
  // Often within recovery, to be cut off again.
  const std::uint64_t after =
      host_.one_in(4) ? host_.random.below(16) : host_.random.below(2 * mean);
  host_.world->crash_at_operation(host_.world->operations() + after);
}

void VolumeSim::power_cut() {
  ++host_.tally.power_cuts;
  host_.events.clear();
  host_.network.power_cut();
  server_.vanish();
  population_.clear();
  const std::vector<SimImage> images = host_.world->crash_images(kCrashImages);
  const SimImage& image = images[host_.random.below(images.size())];
  host_.trace("POWER CUT at operation {}: {}", host_.world->operations(), image.description);
  auto world = std::make_unique<SimWorld>(image, seed_ * 1'000'003 + ++last_world_);
  host_.world = std::move(world);
  if (auto wrong = host_.truth.settle_origin(host_.origin()); !wrong.empty())
    return host_.found("after the power cut: " + wrong);
  boot();
}

void VolumeSim::step() {
  if (!host_.events.run_next())
    return host_.found("nothing happens any more; waiting:" + who_waits());
  if (host_.world->crashed() && !host_.is_over()) power_cut();
}

void VolumeSim::every(std::uint64_t mean_ns, void (VolumeSim::*act)()) {
  if (mean_ns == 0) return;
  host_.events.after(1 + host_.random.below(2 * mean_ns), [this, mean_ns, act] {
    if (host_.is_calm) return;
    (this->*act)();
    every(mean_ns, act);
  });
}

void VolumeSim::plan_faults() {
  every(host_.shape.target_kill_mean_ns, &VolumeSim::kill_target);
  every(host_.shape.line_cut_mean_ns, &VolumeSim::cut_line);
  every(host_.shape.stall_mean_ns, &VolumeSim::stall_target);
  if (host_.shape.has_io_errors) every(300 * kSimMs, &VolumeSim::fail_io);
}

void VolumeSim::fail_io() {
  if (!server_.is_up()) return;
  using Fault = SimProcess::Fault;
  constexpr Fault::Kind kKinds[] = {Fault::Kind::kRead, Fault::Kind::kWrite, Fault::Kind::kFlush};
  constexpr SimRole kRoles[] = {SimRole::kOrigin, SimRole::kSnapstore, SimRole::kMetadata};
  const bool is_split = host_.shape.metadata_bytes != 0;
  const Fault fault{
      .kind = kKinds[host_.random.below(3)],
      .role = kRoles[host_.random.below(is_split ? 3 : 2)],
      .times = host_.one_in(3) ? 1000u : static_cast<std::uint32_t>(1 + host_.random.below(3))};
  if (fault.role == SimRole::kOrigin && fault.kind == Fault::Kind::kWrite) return;
  server_.process().fault = fault;
  // It may go away by itself.
  if (host_.one_in(2))
    host_.events.after(host_.random.below(2 * kSimSecond),
                       [this] { server_.process().fault.reset(); });
}

// ---- the end ----

bool VolumeSim::are_clients_idle() const {
  return server_.is_up() && population_.are_clients_idle();
}

bool VolumeSim::is_at_rest() const {
  return are_clients_idle() && server_.is_idle() && !server_.store()->failed() &&
         population_.are_targets_idle();
}

std::string VolumeSim::who_waits() const {
  std::string text = server_.is_up() ? "" : " the server is down;";
  if (server_.is_up() && !server_.is_idle()) text += " the server is busy;";
  return text + population_.who_waits();
}

void VolumeSim::run_until(std::uint64_t until_ns, bool (VolumeSim::*is_done)() const) {
  while (!host_.is_over() && !(this->*is_done)()) {
    if (host_.events.now_ns() >= until_ns) return host_.found("never at rest:" + who_waits());
    step();
  }
}

void VolumeSim::come_to_rest() {
  host_.is_calm = true;
  host_.trace("calm");
  host_.world->crash_at_operation(UINT64_MAX);
  server_.spare();
  const bool has_stalled = std::ranges::any_of(
      population_.living(), [](const SimTarget* target) { return target->is_stalled_for_good(); });
  // Those who stall for good hold up nobody for ever (T2, T6).
  if (has_stalled) run_until(host_.events.now_ns() + kLongStallGrace, &VolumeSim::are_clients_idle);
  for (SimTarget* target : population_.living())
    if (target->is_stalled_for_good()) target->kill();
  run_until(host_.events.now_ns() + kRestDeadline, &VolumeSim::is_at_rest);
}

std::string VolumeSim::check_dropped() const {
  for (const auto& boundary : host_.truth.boundaries()) {
    if (!boundary.is_dropping) continue;
    const std::string reader = population_.reader_of(boundary.uuid);
    if (reader.empty())
      return fmt::format("snapshot {} is given up, nobody reads it, and it is not gone (T6)",
                         boundary.tag);
    return fmt::format("snapshot {} is given up, and {} was never told (T6)", boundary.tag, reader);
  }
  return {};
}

void VolumeSim::restart_cleanly() {
  server_.stop();
  run_until(host_.events.now_ns() + kRestDeadline, &VolumeSim::is_at_rest);
}

void VolumeSim::look_at_the_end() {
  restart_cleanly();
  if (host_.is_over()) return;
  // Absent targets are looked for every two seconds; dropping goes on as they are found gone.
  const std::uint64_t until_ns = host_.events.now_ns() + 60 * kSimSecond;
  while (!host_.is_over() && host_.events.now_ns() < until_ns && !check_dropped().empty())
    if (!host_.events.run_next()) break;
  if (host_.is_over()) return;
  if (auto wrong = check_dropped(); !wrong.empty()) return host_.found(wrong);
  if (host_.one_in(4)) return write_behind_its_back();
  host_.world->crash_now();
  power_cut();
  run_until(host_.events.now_ns() + kRestDeadline, &VolumeSim::is_at_rest);
  if (!host_.is_over()) delete_all();
}

bool VolumeSim::is_unattended() const {
  return server_.is_up() && std::ranges::none_of(server_.store()->attachments(),
                                                 [](const auto& at) { return at.is_origin; });
}

bool VolumeSim::is_attended() const {
  return is_at_rest() && newcomer_->is_attached();
}

// Again and again: they leave only with the line up.
void VolumeSim::all_leave() {
  if (is_unattended()) return;
  population_.ask_origin_targets_to_leave();
  host_.events.after(100 * kSimMs, [this] { all_leave(); });
}

// T11: somebody mounts the raw origin while no target is attached. What the truth says of snapshots
// is not so any more, and this is the end.
void VolumeSim::write_behind_its_back() {
  all_leave();
  run_until(host_.events.now_ns() + kRestDeadline, &VolumeSim::is_unattended);
  // The last target may have been found gone instead, and then nobody knows what it wrote.
  if (host_.is_over() || !server_.store()->origin_digest() || host_.truth.boundaries().empty())
    return;
  constexpr std::uint64_t kSampledSectors = 17 * kSimChunkSectors;
  const auto sector = static_cast<std::uint32_t>(
      host_.random.below(std::min<std::uint64_t>(kSampledSectors, host_.truth.sector_count())));
  host_.is_origin_spoilt = true;
  static_cast<void>(
      host_.origin().write_at(std::uint64_t{sector} * kSimSectorBytes,
                              host_.contents.bytes_of(host_.contents.make(), sector)));
  newcomer_ = &population_.add_origin_target();
  run_until(host_.events.now_ns() + kRestDeadline, &VolumeSim::is_attended);
  if (host_.is_over()) return;
  ++host_.tally.spoilt_origins;
  if (!server_.store()->is_track_lost())
    host_.found("the origin was written behind the server's back, and nobody noticed (T11)");
}

// S4: when nothing is left, nothing is used.
void VolumeSim::delete_all() {
  server_.vanish();
  auto store = SnapStore::open(host_.devices(), {}, host_.random);
  if (!store) return host_.found("at the end: " + store.error().message());
  for (const BoundaryFacts& boundary : (*store)->boundaries({}, kMaxBoundaries))
    if (const Status removed = (*store)->remove(boundary.epoch, SnapStore::Keep::kNothing);
        !removed)
      return host_.found("at the end: " + removed.error().message());
  while ((*store)->has_background_work())
    if (const Status done = (*store)->background_step(); !done)
      return host_.found("at the end: " + done.error().message());
  const std::uint64_t used = (*store)->facts().slots_total - (*store)->usage().slots_free;
  if (used != 0) host_.found(fmt::format("{} slots have leaked (S4)", used));
}

}  // namespace

VolumeSimResult run_volume_sim(std::uint64_t seed, std::uint64_t operations, bool is_verbose) {
  VolumeSim simulation(seed, operations, is_verbose);
  return simulation.run();
}

}  // namespace ddsnap::test
