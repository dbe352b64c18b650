// Bytes as the record that is kept with a target (the apply journal), as they are and with the
// checksum made right: what is accepted is encoded again to the same record, and an apply that is
// told to resume by it does no worse than fail.
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/delta_world.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::size_t kChecksumAt = 88;
constexpr std::uint64_t kSeed = 0x594c505041534444;
constexpr std::size_t kVolumeBytes = 20 << 10;

const test::Pair& volumes() {
  static const test::Pair pair = test::make_pair_of_volumes(5, kVolumeBytes, kVolumeBytes);
  return pair;
}
const Bytes& delta() {
  static const Bytes bytes =
      volumes().delta(volumes().list(), {.mode = DeltaMode::kDifference, .frame_data_bytes = 4096});
  return bytes;
}

void check_one(const Bytes& bytes) {
  const auto state = decode_target_state(bytes);
  if (!state) return must(!state.error().text.empty(), "an error has a sentence");
  const auto again = decode_target_state(encode_target_state(*state));
  must(again && again->recent_deltas == state->recent_deltas &&
           again->window.has_value() == state->window.has_value(),
       "what was read is written again as the same");
  test::MemoryApplyState remembered;
  remembered.state_ = *state;
  const auto target = test::device_of(volumes().old_bytes, "target");
  (void)test::apply(delta(), *target, remembered);
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  Bytes bytes(input.begin(), input.end());
  check_one(bytes);
  if (bytes.size() < kChecksumAt + 8) return;
  std::memset(bytes.data() + kChecksumAt, 0, 8);
  const le64 checksum(checksum_of(bytes, kSeed));
  std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof checksum);
  check_one(bytes);
}

std::vector<Seed> make_seeds() {
  Uuid delta_uuid;
  std::memcpy(delta_uuid.bytes.data(), delta().data() + 16, delta_uuid.bytes.size());
  TargetState idle{.snapshot_uuid = volumes().from_uuid, .recent_deltas = {volumes().to_uuid}};
  TargetState interrupted = idle;
  interrupted.window = ApplyWindow{.delta_uuid = delta_uuid,
                                   .first_frame = 0,
                                   .frame_count = 1,
                                   .first_chunk = {0},
                                   .last_chunk = {0}};
  interrupted.window->saved.push_back(
      {0, {{{0, 1}, {volumes().new_bytes.begin(), volumes().new_bytes.begin() + 4096}}}});
  return {{"idle", encode_target_state(idle)}, {"interrupted", encode_target_state(interrupted)}};
}

}  // namespace ddsnap::fuzz
