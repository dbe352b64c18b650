#include "tests/support/sim_client.h"
#include "ddsnap/wire/cli_messages.h"

#include <algorithm>

namespace ddsnap::test {

namespace {

constexpr std::uint64_t kId = 1;
constexpr std::uint32_t kHold_ms = 2000;

}  // namespace

std::string SimClient::to_text() const {
  return fmt::format("{} waits for the answer to command {} about {}", name_,
                     command_ == nullptr ? -1 : static_cast<int>(command_->kind),
                     command_ == nullptr ? "" : command_->tag);
}

void SimClient::act() {
  if (command_ != nullptr || !host_.network.has_server()) return;
  is_retry_ = false;
  if (auto command = choose()) say(*std::move(command));
}

std::string SimClient::any_tag() {
  const auto& all = host_.truth.boundaries();
  if (all.empty() || host_.one_in(16)) return fmt::format("t{}", host_.random.below(16));
  return all[host_.random.below(all.size())].tag;
}

SimCommand SimClient::choose_create() {
  const auto roll = host_.random.below(8);
  const std::int8_t priority =
      roll == 0 ? kSimNeverDropped : static_cast<std::int8_t>(host_.random.below(5)) - 2;
  return {.kind = Kind::kCreate,
          .tag = fmt::format("t{}", host_.random.below(16)),
          .uuid = Uuid::make(host_.random),
          .priority = priority,
          .is_bookmark = host_.one_in(10),
          .is_held = host_.one_in(4)};
}

std::optional<SimCommand> SimClient::choose() {
  const std::size_t count = host_.truth.boundaries().size();
  const bool is_crowded = count >= host_.shape.boundaries_at_most;
  const std::uint64_t roll = host_.random.below(100);
  if (roll < 30) {
    if (!is_crowded) return choose_create();
    return SimCommand{.kind = Kind::kRemove, .tag = any_tag()};
  }
  if (roll < 50)
    return SimCommand{.kind = Kind::kRemove, .tag = any_tag(), .is_bookmark = host_.one_in(3)};
  if (roll < 60)
    return SimCommand{.kind = Kind::kPriority,
                      .tag = any_tag(),
                      .priority = static_cast<std::int8_t>(host_.random.below(7) - 3)};
  if (roll < 70) {
    const std::string tag = any_tag();
    const auto* boundary = host_.truth.find(tag);
    const bool is_used = boundary != nullptr && boundary->use_count != 0;
    return SimCommand{.kind = Kind::kUseCount, .tag = tag, .difference = is_used ? -1 : 1};
  }
  if (roll < 85) return SimCommand{.kind = Kind::kChangelist, .tag = any_tag()};
  return SimCommand{.kind = roll < 93 ? Kind::kList : Kind::kStatus};
}

void SimClient::say(SimCommand command) {
  command.is_open = true;
  command.has_happened = false;
  command.is_acknowledged = false;
  command.is_committed = !command.is_held;
  step_ = Step::kAsked;
  command_ = host_.truth.commands().add(std::move(command));
  const auto* subject = host_.truth.find(command_->tag);
  subject_ = subject == nullptr ? Uuid{} : subject->uuid;
  priority_changes_ = subject == nullptr ? 0 : subject->priority_changes;
  ++host_.tally.commands;
  session_ = host_.network.connect(*this);
  host_.trace("{} says {} about {}", name_, static_cast<int>(command_->kind), command_->tag);
  send(*command_);
}

void SimClient::send(const SimCommand& command) {
  SimNetwork& network = host_.network;
  switch (command.kind) {
    case Kind::kCreate:
      return send_create(command);
    case Kind::kRemove:
      return network.send(
          session_, DeleteSnapshotMessage{.tag = command.tag, .keep_bookmark = command.is_bookmark},
          kId);
    case Kind::kPriority:
      return network.send(
          session_, SetPriorityMessage{.tag = command.tag, .priority = command.priority}, kId);
    case Kind::kUseCount:
      return network.send(
          session_, AddUseCountMessage{.tag = command.tag, .difference = command.difference}, kId);
    case Kind::kChangelist: {
      const auto* from = host_.truth.find(command.tag);
      from_ = from == nullptr ? Uuid{} : from->uuid;
      must_be_listed_ = host_.truth.changed_since(from_);
      return network.send(session_, GetChangelistMessage{.from_tag = command.tag, .to_tag = "now"},
                          kId);
    }
    case Kind::kList:
      return network.send(session_, ListSnapshotsMessage{}, kId);
    case Kind::kStatus:
      return network.send(session_, GetStatusMessage{}, kId);
  }
}

// ---- a create ----

void SimClient::send_create(const SimCommand& command) {
  CreateSnapshotMessage create{.uuid = command.uuid,
                               .tag = command.tag,
                               .priority = command.priority,
                               .is_bookmark = command.is_bookmark};
  if (!command.is_held) return host_.network.send(session_, create, kId);
  host_.network.send(session_, PrepareSnapshotMessage{kHold_ms, std::move(create)}, kId);
}

void SimClient::on_held() {
  step_ = Step::kHeld;
  command_->landed_when_held = host_.truth.landed();
  ++host_.tally.holds;
  host_.trace("{} holds {}", name_, command_->tag);
  // Now and then too late.
  host_.events.after(host_.pause_ns(kHold_ms * kSimMs * 5 / 4), [this, command = command_] {
    if (command_ == command && step_ == Step::kHeld) decide();
  });
}

void SimClient::decide() {
  const std::uint64_t roll = host_.random.below(8);
  if (roll == 0) {
    host_.trace("{} goes away", name_);
    host_.network.close_from_peer(session_);
    return done();
  }
  if (roll == 1) {
    step_ = Step::kGivenUp;
    return host_.network.send(session_, AbortSnapshotMessage{command_->uuid}, kId);
  }
  command_->is_committed = true;
  host_.network.send(session_, CommitSnapshotMessage{command_->uuid}, kId);
}

void SimClient::done() {
  command_.reset();
}

void SimClient::on_lost() {
  if (command_ == nullptr) return;
  const SimCommand command = *command_;
  done();
  if (command.kind != Kind::kCreate || host_.one_in(4)) return;
  host_.events.after(host_.random.below(50 * kSimMs), [this, command] {
    if (command_ != nullptr || !host_.network.has_server()) return;
    say(command);
    is_retry_ = true;
  });
}

void SimClient::on_frame(const Frame& frame) {
  if (command_ == nullptr) return;
  const bool is_held = command_->is_held && !command_->is_committed && step_ == Step::kAsked &&
                       frame.header.type == MsgType::kOk;
  if (is_held) return on_held();
  if (step_ != Step::kGivenUp) judge(frame);
  host_.network.close_from_peer(session_);
  done();
}

void SimClient::judge(const Frame& frame) {
  const SimCommand& command = *command_;
  std::string wrong;
  if (frame.header.type == MsgType::kError) {
    const Error error = decode<ErrorMessage>(frame.body).value().error;
    host_.trace("{} is told: {}", name_, error.message());
    wrong = judge_error(command, error);
    // What failed for sure can happen no more.
    const bool is_certain = error.code != ErrorCode::kIo && error.code != ErrorCode::kFailed;
    if (is_certain && !command_->has_happened) command_->is_open = false;
  } else {
    host_.trace("{} is told: done", name_);
    static_cast<void>(host_.truth.commands().acknowledge(*command_));
    wrong = judge_ok(command, frame);
  }
  if (!wrong.empty())
    host_.found(fmt::format("{}, command {} about {}: {}", name_, static_cast<int>(command.kind),
                            command.tag, wrong));
}

std::string SimClient::judge_error(const SimCommand& command, const Error& error) const {
  const auto* subject = host_.truth.find(command.tag);
  const bool was_always_there =
      subject != nullptr && !subject_.is_nil() && subject->uuid == subject_;
  switch (error.code) {
    case ErrorCode::kExists:
      if (command.kind == Kind::kCreate && subject != nullptr && subject->uuid == command.uuid)
        return "the same create again is refused (S6): " + error.message();
      return {};
    case ErrorCode::kNotFound:
      return was_always_there && command.kind != Kind::kCreate ? "it is there, and not found (S6)"
                                                               : "";
    case ErrorCode::kIo:
    case ErrorCode::kDamaged:
    case ErrorCode::kFailed:
      return host_.may_fail() ? "" : "failed for no reason: " + error.message();
    default:
      return {};
  }
}

std::string SimClient::judge_ok(const SimCommand& command, const Frame& frame) const {
  const auto* subject = host_.truth.find(command.tag);
  switch (command.kind) {
    case Kind::kCreate:
      return host_.truth.was_created(command.uuid) ? "" : "acknowledged, and not there (S6)";
    case Kind::kRemove:
      // That it is gone may have been put down to an older command of the same words, whose answer
      // was lost.
      if (command.has_happened || subject == nullptr || subject->uuid != subject_) return {};
      // A bookmark already.
      return command.is_bookmark && subject->kind == BoundaryKind::kBookmark
                 ? ""
                 : "acknowledged, and not done (S6)";
    case Kind::kPriority:
      return command.has_happened || subject == nullptr || subject->uuid != subject_ ||
                     subject->priority == command.priority ||
                     subject->priority_changes != priority_changes_
                 ? ""
                 : "acknowledged, and not done (S6)";
    case Kind::kUseCount:
      return command.has_happened ? "" : "acknowledged, and not done (S6)";
    case Kind::kChangelist:
      return judge_changelist(frame);
    case Kind::kList:
    case Kind::kStatus:
      break;
  }
  return {};
}

std::string SimClient::judge_changelist(const Frame& frame) const {
  const auto* from = host_.truth.find(command_->tag);
  if (from == nullptr || from->uuid != from_) return {};
  const auto part = decode<ChangelistPartMessage>(frame.body);
  if (!part) return part.error().message();
  SimTruth::ChunkSet listed;
  for (const auto& entry : part->entries) listed.set(entry.chunk.value);
  const SimTruth::ChunkSet missing = must_be_listed_ & ~listed;
  if (missing.none()) return {};
  return fmt::format("the changelist lacks {} chunks that were written", missing.count());
}

}  // namespace ddsnap::test
