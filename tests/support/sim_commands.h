// The commands that clients have sent and that may still take effect: what alone may change a
// volume's snapshots.
//
// Shape     A command is open from its sending until its effect was seen or the server that it was
//           sent to is no more. A changed snapshot that no open command explains is a finding.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "ddsnap/base/uuid.h"

namespace ddsnap::test {

struct SimCommand {
  enum class Kind : std::uint8_t {
    kCreate,
    kRemove,
    kPriority,
    kUseCount,
    kChangelist,
    kList,
    kStatus,
  };
  Kind kind = Kind::kStatus;
  std::string tag;
  Uuid uuid;                    // create
  std::int8_t priority = 0;     // create, priority
  bool is_bookmark = false;     // create: a bookmark; remove: keeps one
  bool is_held = false;         // create: in two steps, its barrier held between them
  std::int32_t difference = 0;  // use count
  bool is_open = true;
  bool is_committed = true;            // held: its client has said so
  std::uint64_t landed_when_held = 0;  // writes to the origin, when its client heard of the hold
  bool has_happened = false;
  bool is_acknowledged = false;
};

class SimCommands {
 public:
  // Shared with the client that waits for the answer.
  std::shared_ptr<SimCommand> add(SimCommand command) {
    commands_.push_back(std::make_shared<SimCommand>(std::move(command)));
    if (commands_.size() > 2 * kKept)
      std::erase_if(commands_, [this, at = std::size_t{0}](const auto& one) mutable {
        return ++at + kKept < commands_.size() && is_forgotten(*one);
      });
    return commands_.back();
  }
  // The first open one that fits.
  template <class Fits>
  SimCommand* find_open(Fits fits) {
    for (const auto& command : commands_)
      if (command->is_open && fits(*command)) return command.get();
    return nullptr;
  }
  // Of two commands that ask for the same, an effect cannot tell whose it was; an acknowledgement
  // can. False: there was no such effect.
  bool acknowledge(SimCommand& command) {
    command.is_acknowledged = true;
    if (command.has_happened) return true;
    for (const auto& at : commands_) {
      SimCommand& other = *at;
      const bool is_same = other.kind == command.kind && other.tag == command.tag &&
                           other.uuid == command.uuid && other.priority == command.priority &&
                           other.is_bookmark == command.is_bookmark &&
                           other.difference == command.difference;
      if (!is_same || !other.has_happened || other.is_acknowledged) continue;
      std::swap(other.has_happened, command.has_happened);
      std::swap(other.is_open, command.is_open);
      return true;
    }
    return false;
  }
  // The server is gone: what has not happened will not.
  void close_all() {
    for (const auto& command : commands_) command->is_open = false;
  }

 private:
  static constexpr std::size_t kKept = 64;
  // What happened and was not acknowledged may be what another's acknowledgement is about, however
  // long ago it was said.
  static bool is_forgotten(const SimCommand& command) {
    return !command.is_open && (command.is_acknowledged || !command.has_happened);
  }
  std::deque<std::shared_ptr<SimCommand>> commands_;
};

}  // namespace ddsnap::test
