// Bytes as a changelist file, as they are and with their checksums made right: what is accepted
// passes its own check and is written again to something that reads the same.
#include <algorithm>
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/delta/changelist_file.h"
#include "ddsnap/delta/inspect.h"
#include "tests/fuzz/fuzz_target.h"

namespace ddsnap::fuzz {

namespace {

// DELTA.md, section 2.
constexpr std::size_t kHeaderBytes = 256;
constexpr std::size_t kRangesBytesAt = 80;
constexpr std::size_t kRangesChecksumAt = 224;
constexpr std::size_t kHashesChecksumAt = 232;
constexpr std::size_t kHeaderChecksumAt = 248;
constexpr std::uint64_t kHeaderSeed = 0x4853474844534444;
constexpr std::uint64_t kRangesSeed = 0x47524c4344534444;
constexpr std::uint64_t kHashesSeed = 0x53484c4344534444;

void put(Bytes& bytes, std::size_t at, std::uint64_t value) {
  const le64 disk(value);
  std::memcpy(bytes.data() + at, &disk, sizeof disk);
}

void make_checksums_right(Bytes& bytes) {
  if (bytes.size() < kHeaderBytes) return;
  le64 ranges_bytes;
  std::memcpy(&ranges_bytes, bytes.data() + kRangesBytesAt, sizeof ranges_bytes);
  const auto rest = std::span<const std::byte>(bytes).subspan(kHeaderBytes);
  const auto ranges = rest.first(std::min<std::uint64_t>(ranges_bytes.get(), rest.size()));
  put(bytes, kRangesChecksumAt, checksum_of(ranges, kRangesSeed));
  put(bytes, kHashesChecksumAt, checksum_of(rest.subspan(ranges.size()), kHashesSeed));
  put(bytes, kHeaderChecksumAt,
      checksum_of(std::span(bytes).first(kHeaderChecksumAt), kHeaderSeed));
}

void check_one(const Bytes& bytes) {
  MemorySource source(bytes);
  const auto list = read_changelist(source);
  if (!list) return must(!list.error().text.empty(), "an error has a sentence");
  must(list->check().has_value(), "a changelist that was read is well-formed");
  MemorySink sink;
  must(write_changelist(sink, *list).has_value(), "a changelist that was read can be written");
  MemorySource again_source(sink.bytes());
  const auto again = read_changelist(again_source);
  must(again && again->ranges == list->ranges && again->before == list->before &&
           again->from_uuid == list->from_uuid && again->to_uuid == list->to_uuid,
       "what was written again reads the same");
  MemorySource inspected(bytes);
  must(inspect(inspected).has_value(), "inspect knows a changelist");
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  Bytes bytes(input.begin(), input.end());
  check_one(bytes);
  make_checksums_right(bytes);
  check_one(bytes);
}

std::vector<Seed> make_seeds() {
  return golden_seeds("changelist_v1.hex");
}

}  // namespace ddsnap::fuzz
