#include "tests/support/sim_tally.h"

#include <fmt/format.h>

namespace ddsnap::test {

const char* name_of(SimPoint point) {
  switch (point) {
    case SimPoint::kCopyOut:
      return "record: copied out";
    case SimPoint::kChanged:
      return "record: changed";
    case SimPoint::kPrivate:
      return "record: private slots";
    case SimPoint::kCreate:
      return "record: create";
    case SimPoint::kDelete:
      return "record: delete";
    case SimPoint::kBookmark:
      return "record: bookmark";
    case SimPoint::kDrop:
      return "record: dropped";
    case SimPoint::kMarkDropping:
      return "record: dropping";
    case SimPoint::kAttribute:
      return "record: priority, use";
    case SimPoint::kAttach:
      return "record: attach";
    case SimPoint::kDetach:
      return "record: detach";
    case SimPoint::kResize:
      return "record: resize";
    case SimPoint::kSeal:
      return "record: seal";
    case SimPoint::kSlot:
      return "slots of a batch";
    case SimPoint::kSpill:
      return "checkpoint: tables";
    case SimPoint::kMerge:
      return "merge: tables";
    case SimPoint::kSuperblock:
      return "checkpoint: superblock";
    case SimPoint::kRecoverySlot:
      return "recovery: slots";
    case SimPoint::kRecoveryTable:
      return "recovery: tables";
    case SimPoint::kRecoverySuperblock:
      return "recovery: superblock";
    case SimPoint::kTargetWrite:
      return "a target's write";
    case SimPoint::kTargetFlush:
      return "a target's flush";
    case SimPoint::kOther:
      break;
  }
  return "other";
}

void SimTally::add(const SimTally& other) {
  constexpr std::uint64_t SimTally::* kCounts[] = {&SimTally::origin_writes,
                                                   &SimTally::origin_reads,
                                                   &SimTally::snapshot_reads,
                                                   &SimTally::snapshot_writes,
                                                   &SimTally::target_flushes,
                                                   &SimTally::commands,
                                                   &SimTally::attaches,
                                                   &SimTally::refused,
                                                   &SimTally::messages,
                                                   &SimTally::device_operations,
                                                   &SimTally::creates,
                                                   &SimTally::holds,
                                                   &SimTally::strangers_messages,
                                                   &SimTally::spoilt_origins,
                                                   &SimTally::removals,
                                                   &SimTally::drops,
                                                   &SimTally::power_cuts,
                                                   &SimTally::cuts_in_recovery,
                                                   &SimTally::recoveries,
                                                   &SimTally::server_kills,
                                                   &SimTally::target_kills,
                                                   &SimTally::stalls,
                                                   &SimTally::lost_lines,
                                                   &SimTally::io_errors,
                                                   &SimTally::store_failures,
                                                   &SimTally::enospc,
                                                   &SimTally::images_compared};
  for (const auto count : kCounts) this->*count += other.*count;
  for (std::size_t i = 0; i < kSimPoints; ++i) {
    points[i].writes += other.points[i].writes;
    points[i].flushes += other.points[i].flushes;
    points[i].power_cuts += other.points[i].power_cuts;
    points[i].kills += other.points[i].kills;
  }
}

std::string SimTally::to_text() const {
  std::string text = fmt::format(
      "operations        {:>12}  origin writes {}, reads {}; snapshot reads {}, writes {}; "
      "flushes {}; commands {}; attaches {}; {} ended with an error\n"
      "below them        {:>12}  writes and flushes of devices; {} messages, {} of strangers; {} "
      "snapshots "
      "made, {} removed, {} dropped; {} barriers held\n"
      "power cuts        {:>12}  {} of them inside recovery; {} recoveries; {} images compared\n"
      "other faults      {:>12}  server kills {}, target kills {}, stalls {}, lost lines {}, I/O "
      "errors {}; the store failed {} times; {} requests got ENOSPC; {} origins written behind "
      "it\n",
      operations(), origin_writes, origin_reads, snapshot_reads, snapshot_writes, target_flushes,
      commands, attaches, refused, device_operations, messages, strangers_messages, creates,
      removals, drops, holds, power_cuts, cuts_in_recovery, recoveries, images_compared,
      server_kills + target_kills + stalls + lost_lines + io_errors, server_kills, target_kills,
      stalls, lost_lines, io_errors, store_failures, enospc, spoilt_origins);
  text += fmt::format("{:<24}{:>12}{:>12}{:>12}{:>12}\n", "crash points", "writes", "flushes",
                      "power cuts", "kills");
  for (std::size_t i = 0; i < kSimPoints; ++i)
    if (points[i].writes + points[i].flushes != 0)
      text +=
          fmt::format("{:<24}{:>12}{:>12}{:>12}{:>12}\n", name_of(static_cast<SimPoint>(i)),
                      points[i].writes, points[i].flushes, points[i].power_cuts, points[i].kills);
  return text;
}

}  // namespace ddsnap::test
