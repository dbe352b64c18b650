#include "tests/support/sim_population.h"

#include <algorithm>

namespace ddsnap::test {

namespace {

constexpr std::size_t kClients = 3;
constexpr std::uint64_t kLongStall = 100 * kSimSecond;

}  // namespace

void SimPopulation::populate() {
  for (std::size_t i = 0; i < host_.shape.origin_targets; ++i) keep_origin_target();
  for (std::size_t i = 0; i < host_.shape.snapshot_targets; ++i) keep_snapshot_target(i);
  for (std::size_t i = 0; i < kClients; ++i) {
    clients_.push_back(std::make_unique<SimClient>(host_, fmt::format("client{}", i)));
    drive(*clients_.back());
  }
  for (std::size_t i = 0; i < host_.shape.strangers && !host_.is_calm; ++i) {
    strangers_.push_back(std::make_unique<SimStranger>(host_, fmt::format("stranger{}", i)));
    drive(*strangers_.back());
  }
}

void SimPopulation::clear() {
  origin_targets_.clear();
  snapshot_targets_.clear();
  clients_.clear();
  strangers_.clear();
}

SimOriginTarget& SimPopulation::add_origin_target() {
  origin_targets_.push_back(
      std::make_unique<SimOriginTarget>(host_, fmt::format("origin{}", ++last_target_)));
  origin_targets_.back()->start();
  return *origin_targets_.back();
}

// One place after another has a target, and a new one after that one's death.
void SimPopulation::keep_origin_target() {
  host_.events.after(host_.pause_ns(200 * kSimMs), [this] {
    if (host_.is_calm) return;
    drive(add_origin_target());
  });
}

void SimPopulation::keep_snapshot_target(std::size_t place) {
  host_.events.after(host_.pause_ns(200 * kSimMs), [this, place] {
    if (host_.is_calm) return;
    std::vector<std::string> tags;
    for (const auto& boundary : host_.truth.boundaries())
      if (boundary.is_readable()) tags.push_back(boundary.tag);
    if (tags.empty()) return keep_snapshot_target(place);
    const std::string tag = tags[host_.random.below(tags.size())];
    snapshot_targets_.push_back(
        std::make_unique<SimSnapshotTarget>(host_, fmt::format("snapshot{}", ++last_target_), tag));
    snapshot_targets_.back()->start();
    drive(*snapshot_targets_.back());
  });
}

void SimPopulation::drive(SimOriginTarget& target) {
  host_.events.after(host_.pause_ns(40 * kSimMs), [this, &target] {
    if (host_.is_calm) return;
    if (target.is_dead()) return keep_origin_target();
    const std::uint64_t roll = host_.random.below(1000);
    if (target.is_stalled() || roll < 720) {
      target.write();
    } else if (roll < 940) {
      target.read();
    } else if (roll < 996) {
      target.flush();
    } else {
      target.leave();
    }
    drive(target);
  });
}

void SimPopulation::drive(SimSnapshotTarget& target) {
  host_.events.after(host_.pause_ns(40 * kSimMs), [this, &target] {
    if (host_.is_calm) return;
    if (target.is_dead()) return keep_snapshot_target(0);
    const std::uint64_t roll = host_.random.below(1000);
    if (target.is_useless() || roll >= 988) {
      target.leave();
    } else if (roll < 800) {
      target.read();
    } else if (roll < 950) {
      target.write();
    } else {
      target.flush();
    }
    drive(target);
  });
}

void SimPopulation::drive(SimClient& client) {
  host_.events.after(host_.pause_ns(50 * kSimMs), [this, &client] {
    if (host_.is_calm) return;
    client.act();
    drive(client);
  });
}

void SimPopulation::drive(SimStranger& stranger) {
  host_.events.after(host_.pause_ns(100 * kSimMs), [this, &stranger] {
    if (host_.is_calm) return stranger.leave();
    stranger.act();
    drive(stranger);
  });
}

std::vector<SimTarget*> SimPopulation::living() {
  std::vector<SimTarget*> all;
  for (const auto& target : origin_targets_)
    if (!target->is_dead()) all.push_back(target.get());
  for (const auto& target : snapshot_targets_)
    if (!target->is_dead()) all.push_back(target.get());
  return all;
}

void SimPopulation::kill_any() {
  const auto all = living();
  if (all.empty()) return;
  ++host_.tally.target_kills;
  all[host_.random.below(all.size())]->kill();
}

void SimPopulation::stall_any() {
  const auto all = living();
  if (all.empty()) return;
  ++host_.tally.stalls;
  SimTarget& target = *all[host_.random.below(all.size())];
  if (host_.shape.has_long_stalls && host_.one_in(6)) {
    host_.trace("{} stalls for good", target.label());
    target.stall_for_good();
    // Somebody finds it so in the end.
    host_.events.after(kLongStall + host_.random.below(kLongStall), [&target] { target.kill(); });
    return;
  }
  target.stall_for(host_.random.below(host_.one_in(8) ? 4 * kSimSecond : 100 * kSimMs));
}

bool SimPopulation::is_gone(const Attachment& attachment) const {
  if (attachment.boot_id != host_.boot_id) return true;
  for (const auto& target : origin_targets_)
    if (target->uuid() == attachment.target_uuid) return target->is_gone();
  for (const auto& target : snapshot_targets_)
    if (target->uuid() == attachment.target_uuid) return target->is_gone();
  return true;
}

std::string SimPopulation::origin_writer() const {
  for (const auto& target : origin_targets_)
    if (target->has_writes_in_flight()) return target->to_text();
  return {};
}

std::string SimPopulation::reader_of(const Uuid& snapshot) const {
  for (const auto& target : snapshot_targets_)
    if (target->may_use(snapshot)) return target->to_text();
  return {};
}

void SimPopulation::ask_origin_targets_to_leave() {
  for (const auto& target : origin_targets_) target->leave();
}

bool SimPopulation::are_clients_idle() const {
  return std::ranges::all_of(clients_, [](const auto& client) { return client->is_idle(); });
}

bool SimPopulation::are_targets_idle() const {
  const auto is_idle = [](const auto& target) { return target->is_idle(); };
  return std::ranges::all_of(origin_targets_, is_idle) &&
         std::ranges::all_of(snapshot_targets_, is_idle);
}

std::string SimPopulation::who_waits() const {
  std::string text;
  for (const auto& client : clients_)
    if (!client->is_idle()) text += " " + client->to_text() + ";";
  for (const auto& target : origin_targets_)
    if (!target->is_idle()) text += " " + target->to_text() + ";";
  for (const auto& target : snapshot_targets_)
    if (!target->is_idle()) text += " " + target->to_text() + ";";
  return text;
}

}  // namespace ddsnap::test
