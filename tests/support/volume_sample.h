// A volume as it might be, for the tests of what shows volumes: three snapshots, one of them given
// up, a target that is missing, a copy that is late.
//
// Threads   A plain function.
#pragma once

#include "ddsnap/view/volume_facts.h"

namespace ddsnap::test {

inline constexpr std::int64_t kSampleNow_s = 1'800'000'000;

inline VolumeFacts sample_volume() {
  constexpr std::uint64_t kNsPerS = 1'000'000'000;
  const auto ago_ns = [](std::int64_t age_s) {
    return static_cast<std::uint64_t>(kSampleNow_s - age_s) * kNsPerS;
  };
  const auto uuid = [](int number) {
    Uuid made;
    made.bytes[0] = static_cast<std::byte>(number);
    return made;
  };
  VolumeFacts facts;
  facts.volume = {.name = "vol0", .server = "/run/ddsnap/vol0.server"};
  facts.status.chunk_shift = 14;
  facts.status.origin_bytes = 256u << 20;
  facts.status.slots_total = 32768;
  facts.status.slots_free = 16384;
  facts.status.metadata_bytes_total = 16u << 20;
  facts.status.metadata_bytes_used = 1u << 20;
  facts.status.targets_present = 1;
  facts.status.targets_absent = 1;
  facts.status.first_writes = 16000;
  facts.status.warnings = {"50 % of the room is used"};
  facts.status.origin_path = "/dev/vg/vol0";
  facts.status.snapstore_path = "/dev/vg/store0";
  facts.snapshots = {
      {.epoch = {1},
       .uuid = uuid(1),
       .tag = "old",
       .state = BoundaryState::kDropped,
       .created_ns = ago_ns(200'000)},
      {.epoch = {2},
       .uuid = uuid(2),
       .tag = "nightly-7",
       .use_count = 1,
       .created_ns = ago_ns(30'000)},
      {.epoch = {3}, .uuid = uuid(3), .tag = "nightly-8", .created_ns = ago_ns(600)}};
  facts.space = {{{1}, 0, 0}, {{2}, 8192, 4096}, {{3}, 64, 0}};
  facts.targets = {{1, TargetRole::kOrigin, true, "", "nbdkit-1"},
                   {2, TargetRole::kSnapshot, false, "nightly-7", "reader"}};
  facts.events = {.started_ns = ago_ns(1000),
                  .warnings = 1,
                  .errors = 0,
                  .entries = {{1, ago_ns(1000), EventLevel::kInfo, "snapshot nightly-8 is there"}}};
  facts.copies = {{.config = "vol0",
                   .label = "office",
                   .period_s = 3600,
                   .last_try_s = kSampleNow_s - 60,
                   .last_success_s = kSampleNow_s - 7000,
                   .last_error = "office: connection refused",
                   .tag = "nightly-7",
                   .made_s = kSampleNow_s - 10'800}};
  return facts;
}

}  // namespace ddsnap::test
