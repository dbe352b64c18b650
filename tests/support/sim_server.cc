#include "tests/support/sim_server.h"

#include <algorithm>

namespace ddsnap::test {

namespace {

constexpr std::size_t kArrivalsPerTurn = 16;
constexpr std::uint64_t kSealAfter = kSealAfter_ms * kSimMs;

}  // namespace

class SimServer::TraceLog final : public LogSink {
 public:
  explicit TraceLog(SimHost& host) : host_(host) {}
  void write(LogLevel, std::string_view line) override { host_.trace("    server: {}", line); }

 private:
  SimHost& host_;
};

// ---- life and death ----

void SimServer::start_after(std::uint64_t delay_ns) {
  host_.events.after(delay_ns, [this, life = life_] {
    if (life == life_ && !is_up()) start();
  });
}

void SimServer::vanish() {
  ++life_;
  volume_.reset();
  store_.reset();
  origin_.reset();
  snapstore_.reset();
  metadata_.reset();
  slots_free_at_stop_.reset();
}

void SimServer::die() {
  host_.trace("the server dies");
  ++life_;
  ++host_.tally.server_kills;
  volume_.reset();
  store_.reset();
  host_.network.server_is_gone();
  const std::uint64_t at_most = host_.one_in(8) ? 20 * kSimSecond : 300 * kSimMs;
  start_after(host_.random.below(at_most));
}

Status SimServer::open() {
  process_ = SimProcess{};
  process_.is_recovering = true;
  const bool may_die = !host_.is_calm && host_.shape.server_kill_mean != 0;
  if (may_die)
    process_.dies_at = host_.one_in(5) ? host_.random.below(16)
                                       : host_.random.below(2 * host_.shape.server_kill_mean);
  if (!host_.is_calm && host_.one_in(3) && (may_die || host_.shape.power_cut_mean != 0))
    process_.ambush = {
        .point = static_cast<SimPoint>(host_.random.below(static_cast<std::uint64_t>(kSimPoints))),
        .cuts_power = host_.shape.power_cut_mean != 0 && (!may_die || host_.one_in(2))};
  const Layout layout = DD_TRY(choose_layout(host_.devices(), {.chunk_shift = kSimChunkShift}));
  const SimPort::Surroundings all{*host_.world, process_, host_.truth, host_.tally, host_.random};
  const bool is_split = host_.shape.metadata_bytes != 0;
  origin_ = std::make_unique<SimPort>(all, host_.origin(), SimRole::kOrigin, layout, false);
  snapstore_ =
      std::make_unique<SimPort>(all, host_.snapstore(), SimRole::kSnapstore, layout, !is_split);
  if (is_split)
    metadata_ =
        std::make_unique<SimPort>(all, host_.world->device(2), SimRole::kMetadata, layout, true);
  store_ = DD_TRY(SnapStore::open({*snapstore_, *origin_, metadata_.get()},
                                  {.cache_bytes = 64u << 10,
                                   .spill_entries = host_.shape.spill_entries,
                                   .must_resume = true},  // the administrator is never far
                                  host_.random));
  // A fault costs writes here, never a snapshot: those are what is compared.
  StoreSettings settings = store_->settings();
  settings.on_failure = OnStoreFailure::kOriginStops;
  DD_TRY(store_->set_settings(settings));
  process_.is_recovering = false;
  return {};
}

void SimServer::start() {
  ++host_.tally.recoveries;
  const Status opened = open();
  if (host_.world->crashed()) {
    ++host_.tally.cuts_in_recovery;
    return;
  }
  if (process_.is_dead) return die();
  if (!opened && process_.has_had_faults) return die();
  if (!opened) {
    host_.found("the store cannot be opened: " + opened.error().message());
    return;
  }
  if (auto wrong = judge_recovery(); !wrong.empty()) return host_.found(wrong);
  if (!trace_log_) trace_log_ = std::make_unique<TraceLog>(host_);
  LogSink& log = host_.is_verbose() ? *trace_log_ : static_cast<LogSink&>(null_log_);
  volume_ = std::make_unique<Volume>(
      *store_, *origin_, VolumeConfig{.origin_path = "origin", .snapstore_path = "snapstore"},
      host_.random, static_cast<OwnershipProbe&>(*this), log);
  host_.trace("the server is up: {} snapshots, {} slots free, {} attachments",
              store_->boundary_count(), store_->usage().slots_free, store_->attachments().size());
  next_turn_ns_ = 0;
  background_again_ns_ = 0;
  needs_seal_ = false;
  has_told_failure_ = false;
  host_.network.listen([this] { wake(1000 + host_.random.below(20'000)); });
  wake(0);
}

// What recovery brought back is what it must be.
std::string SimServer::judge_recovery() {
  for (const std::string& finding : store_->findings())
    if (finding.find("superblock copy") == std::string::npos) return "recovery: " + finding;
  SimTruth::Circumstances circumstances{.may_drop = host_.may_be_full()};
  if (auto wrong = host_.truth.observe(*store_, circumstances); !wrong.empty())
    return "after recovery: " + wrong;
  host_.truth.commands().close_all();
  if (auto wrong = host_.truth.settle_snapshots(*store_, host_.snapstore()); !wrong.empty())
    return "after recovery: " + wrong;
  host_.tally.images_compared += store_->boundary_count();
  if (auto wrong = host_.truth.compare(*store_, host_.snapstore(), host_.origin()); !wrong.empty())
    return "after recovery: " + wrong;
  const auto before = std::exchange(slots_free_at_stop_, std::nullopt);
  if (before && *before != store_->usage().slots_free)
    return fmt::format("{} slots were free at the end, {} are after the start (S4)", *before,
                       store_->usage().slots_free);
  return {};
}

bool SimServer::is_idle() const {
  return is_alive() && !volume_->has_work(now()) && !store_->has_background_work() &&
         host_.network.arrivals().empty();
}

void SimServer::stop() {
  DD_CHECK(is_idle());
  static_cast<void>(store_->close_cleanly());
  if (!store_->failed() && !process_.has_had_faults)
    slots_free_at_stop_ = store_->usage().slots_free;
  die();
}

// ---- turns ----

void SimServer::wake(std::uint64_t delay_ns) {
  const std::uint64_t at_ns = host_.events.now_ns() + delay_ns;
  if (next_turn_ns_ != 0 && next_turn_ns_ <= at_ns) return;
  next_turn_ns_ = at_ns;
  const std::uint64_t number = ++turn_number_;
  host_.events.after(delay_ns, [this, number, life = life_] {
    if (life != life_ || number != turn_number_ || !is_up()) return;
    next_turn_ns_ = 0;
    turn();
  });
}

void SimServer::turn() {
  take_arrivals();
  if (!is_alive()) return;
  host_.has_been_short |= store_->is_metadata_short();
  volume_->on_time(now());
  if (!settle_call()) return;
  if (volume_->has_work(now())) {
    volume_->run_batch(now());
    if (!settle_call()) return;
    needs_seal_ = true;
    quiet_since_ns_ = host_.events.now_ns();
  }
  work_in_background();
  if (!is_alive()) return;
  seal_when_quiet();
  if (!settle_call()) return;
  if (store_->failed() && !std::exchange(has_told_failure_, true)) {
    ++host_.tally.store_failures;
    host_.trace("the store has failed: {}", store_->failed()->message());
    // The administrator mends the device and starts the server again.
    host_.events.after(host_.random.below(2 * kSimSecond), [this, life = life_] {
      if (life == life_ && is_up()) die();
    });
  }
  if (!host_.is_origin_spoilt && store_->is_track_lost())
    host_.found("writes behind the server's back were seen, and there were none (T11)");
  plan_next_turn();
}

void SimServer::take_arrivals() {
  auto& arrivals = host_.network.arrivals();
  for (std::size_t i = 0; i < kArrivalsPerTurn && !arrivals.empty(); ++i) {
    const SimNetwork::Arrival arrival = std::move(arrivals.front());
    arrivals.pop_front();
    switch (arrival.kind) {
      case SimNetwork::Arrival::Kind::kConnect:
        volume_->on_connect(arrival.session);
        break;
      case SimNetwork::Arrival::Kind::kFrame:
        ++host_.tally.messages;
        volume_->on_message(arrival.session, arrival.frame.header.type,
                            arrival.frame.header.request_id, arrival.frame.body, now());
        break;
      case SimNetwork::Arrival::Kind::kEnd:
        host_.network.close_from_server(arrival.session);
        volume_->on_disconnect(arrival.session);
        break;
    }
    if (!settle_call()) return;
  }
}

void SimServer::work_in_background() {
  if (!store_->has_background_work() || host_.events.now_ns() < background_again_ns_) return;
  if (volume_->has_work(now()) && !host_.one_in(8)) return;
  process_.is_in_background = true;
  process_.has_read_tables = false;
  const Status done = store_->background_step();
  process_.is_in_background = false;
  if (!settle_call() || done) return;
  host_.trace("background work failed: {}", done.error().message());
  background_again_ns_ = host_.events.now_ns() + kSimSecond;
}

void SimServer::seal_when_quiet() {
  if (!needs_seal_ || host_.events.now_ns() < quiet_since_ns_ + kSealAfter) return;
  needs_seal_ = false;
  static_cast<void>(store_->seal());
}

void SimServer::plan_next_turn() {
  const std::uint64_t now_ns = host_.events.now_ns();
  if (volume_->has_work(now()) || !host_.network.arrivals().empty())
    return wake(5'000 + host_.random.below(100'000));
  std::uint64_t until_ns = UINT64_MAX;
  if (const auto deadline = volume_->next_deadline_ns()) until_ns = *deadline;
  if (store_->has_background_work())
    until_ns = std::min(until_ns, std::max(background_again_ns_, now_ns + 20'000));
  if (needs_seal_) until_ns = std::min(until_ns, quiet_since_ns_ + kSealAfter);
  if (until_ns != UINT64_MAX) wake(until_ns > now_ns ? until_ns - now_ns : 1000);
}

// ---- after each call ----

bool SimServer::settle_call() {
  if (host_.world->crashed()) return false;
  if (process_.is_dead) {
    die();
    return false;
  }
  host_.has_been_short |= store_->is_metadata_short();
  if (std::exchange(process_.wrote_boundaries, false)) observe();
  if (origin_->has_written_origin()) host_.found("the server has written to the origin");
  deliver();
  return is_alive() && !host_.is_over();
}

void SimServer::observe() {
  SimTruth::Circumstances circumstances{
      .may_drop = host_.may_be_full(), .writer = host_.origin_writer(), .reader = host_.reader_of};
  const std::size_t before = host_.truth.boundaries().size();
  if (auto wrong = host_.truth.observe(*store_, circumstances); !wrong.empty()) host_.found(wrong);
  const std::size_t after = host_.truth.boundaries().size();
  if (after > before) ++host_.tally.creates;
  if (after < before) ++host_.tally.removals;
  host_.tally.drops += host_.truth.take_drops();
}

void SimServer::check_landing(ChunkNr chunk) {
  if (is_up() && !host_.world->crashed() && !process_.is_dead && !store_->is_granted(chunk))
    host_.found(fmt::format("a write to chunk {} lands without a grant (S1, T1)", chunk.value));
}

void SimServer::check_grant(const Outbox::Frame& frame) {
  FrameBuffer buffer;
  buffer.feed(frame.bytes);
  const auto whole = buffer.next();
  if (!whole || !*whole || (*whole)->header.type != MsgType::kGrant) return;
  const GrantMessage grant = decode<GrantMessage>((*whole)->body).value();
  if (grant.result_errno != 0) return;
  for (const ChunkRange range : grant.ranges)
    for (std::uint64_t chunk = range.first.value; chunk < range.end(); ++chunk)
      if (!store_->is_granted({static_cast<std::uint32_t>(chunk)}))
        host_.found(fmt::format("chunk {} is granted and was not copied out (S1)", chunk));
}

void SimServer::deliver() {
  for (;;) {
    for (Outbox::Frame& frame : volume_->outbox().take_frames()) {
      check_grant(frame);
      host_.network.send_to_peer(frame.to, std::move(frame.bytes));
    }
    const auto closes = volume_->outbox().take_closes();
    if (closes.empty()) return;
    for (const SessionId session : closes) {
      host_.network.close_from_server(session);
      volume_->on_disconnect(session);
    }
  }
}

}  // namespace ddsnap::test
