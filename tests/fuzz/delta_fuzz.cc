// Bytes as a delta, as they are or with their hashes made right: inspected, verified, compared with
// a device and applied to it, from a file and through a pipe. From a file, an apply that fails has
// written nothing (D1), whether it fits the memory or not; one that succeeds, done again, changes
// nothing (D2).
//
// The first byte of the input says how; the rest is the delta.
#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/inspect.h"
#include "ddsnap/delta/verify.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/mended_delta.h"
#include "tests/support/delta_world.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::uint64_t kMaxTargetBytes = 1 << 20;
constexpr std::size_t kOldBytes = 20 << 10;
constexpr std::size_t kLittleMemoryBytes = 44 << 10;  // six chunks are kept decoded

struct How {
  bool is_mended, with_content, holds_old, is_pipe, is_forced, has_small_windows,
      knows_its_snapshot, has_little_memory;
  explicit How(std::byte byte) {
    const auto bits = static_cast<unsigned>(byte);
    is_mended = (bits & 1) != 0;
    with_content = (bits & 2) != 0;
    holds_old = (bits & 4) != 0;
    is_pipe = (bits & 8) != 0;
    is_forced = (bits & 16) != 0;
    has_small_windows = (bits & 32) != 0;
    knows_its_snapshot = (bits & 64) != 0;
    has_little_memory = (bits & 128) != 0;
  }
};

const Bytes& old_content() {
  static const Bytes bytes = test::make_volume(3, kOldBytes, 4096);
  return bytes;
}

Bytes target_content(const DeltaHeader& header, const How& how) {
  Bytes bytes(std::max(header.from_bytes, header.to_bytes));
  if (how.holds_old)
    std::copy_n(old_content().begin(), std::min(bytes.size(), old_content().size()), bytes.begin());
  return bytes;
}

void apply_twice(const Bytes& delta, const DeltaHeader& header, const How& how) {
  const Bytes before = target_content(header, how);
  const auto target = test::device_of(before, "target");
  test::MemoryApplyState state;
  if (how.knows_its_snapshot) state.state_.snapshot_uuid = header.from_uuid;
  MemorySource to_compare(delta);
  (void)verify_delta_against(to_compare, *target, state.state_);
  must(target->content().to_vector() == before, "verify writes nothing");
  const ApplyOptions options{.is_forced = how.is_forced,
                             .window_bytes = how.has_small_windows ? 4096u : kApplyWindowBytes};
  const std::size_t memory_bytes =
      how.has_little_memory ? kLittleMemoryBytes : kDefaultWorkMemoryBytes;
  const auto report = test::apply(delta, *target, state, options, how.is_pipe, memory_bytes);
  if (!report) {
    must(!report.error().text.empty(), "an error has a sentence");
    must(how.is_pipe || target->content().to_vector() == before,
         "an apply from a file that fails has written nothing (D1)");
    return;
  }
  const Bytes after = target->content().to_vector();
  (void)test::apply(delta, *target, state, options, how.is_pipe, memory_bytes);
  must(target->content().to_vector() == after, "what was applied changes nothing again (D2)");
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  if (input.empty()) return;
  const How how(input[0]);
  Bytes delta(input.begin() + 1, input.end());
  if (how.is_mended) mend_delta(delta, how.with_content);
  MemorySource to_inspect(delta);
  const bool is_inspected = inspect(to_inspect).has_value();
  MemorySource to_verify(delta);
  const bool is_good = verify_delta(to_verify).has_value();
  must(is_inspected || !is_good, "what verify takes inspect takes");
  MemorySource to_open(delta);
  const auto reader = DeltaReader::open(to_open);
  if (!reader || std::max(reader->header().from_bytes, reader->header().to_bytes) > kMaxTargetBytes)
    return;
  apply_twice(delta, reader->header(), how);
}

std::vector<Seed> make_seeds() {
  std::vector<Seed> seeds;
  const auto add = [&](const std::string& name, unsigned how, const Bytes& delta) {
    Bytes bytes{static_cast<std::byte>(how)};
    bytes.insert(bytes.end(), delta.begin(), delta.end());
    seeds.push_back({name, std::move(bytes)});
  };
  test::Pair pair = test::make_pair_of_volumes(3, kOldBytes, kOldBytes);
  pair.old_bytes = old_content();
  pair.new_bytes = test::edited(pair.old_bytes, 4, kOldBytes + 6144, 4096);
  test::Pair shrunk = pair;
  shrunk.new_bytes.resize(kOldBytes - 6144);
  const CodecChoice codecs[] = {
      {Codec::kNone, 0}, {Codec::kZlib, 6}, {Codec::kLz4, 1}, {Codec::kZstd, 3}};
  for (const CodecChoice& codec : codecs)
    add(std::string("raw-") + name_of(codec.codec), 7,
        pair.delta(pair.list(),
                   {.mode = DeltaMode::kRaw, .codec = codec, .frame_data_bytes = 8192}));
  add("difference", 7, pair.delta(pair.list(), {.mode = DeltaMode::kDifference}));
  add("shrunk", 7 + 8, shrunk.delta(shrunk.list(), {.mode = DeltaMode::kBest}));
  add("full", 1, pair.full_delta({.mode = DeltaMode::kBest}));
  add("full-large", 1 + 128, pair.full_delta({.mode = DeltaMode::kRaw, .frame_data_bytes = 8192}));
  for (const Seed& golden : golden_seeds("delta_v1.hex")) add("golden", 0, golden.bytes);
  return seeds;
}

}  // namespace ddsnap::fuzz
