#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/compare.h"
#include "ddsnap/io/mapped_range.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

constexpr int kStatusOfDifference = 3;

// A range of chunks in bytes, as far as the larger device goes.
ByteRange bytes_of(const Changelist& list, const ChunkRange& range) {
  const std::uint64_t start = std::uint64_t{range.first.value} << list.chunk_shift;
  const std::uint64_t end =
      std::min(range.end() << list.chunk_shift, std::max(list.from_bytes, list.to_bytes));
  return {start, end - start};
}

void print_text(const Changelist& list) {
  for (const ChunkRange& range : list.ranges) {
    const ByteRange bytes = bytes_of(list, range);
    fmt::print("{} {}\n", bytes.offset_bytes, bytes.length_bytes);
  }
}

void print_json(const Changelist& list) {
  nlohmann::ordered_json ranges = nlohmann::ordered_json::array();
  std::uint64_t different_bytes = 0;
  for (const ChunkRange& range : list.ranges) {
    const ByteRange bytes = bytes_of(list, range);
    ranges.push_back({{"offset_bytes", bytes.offset_bytes}, {"length_bytes", bytes.length_bytes}});
    different_bytes += bytes.length_bytes;
  }
  const nlohmann::ordered_json all{{"a_bytes", list.from_bytes},
                                   {"b_bytes", list.to_bytes},
                                   {"chunk_bytes", 1u << list.chunk_shift},
                                   {"different_bytes", different_bytes},
                                   {"ranges", ranges}};
  fmt::print("{}\n", all.dump(2));
}

}  // namespace

Result<int> cmd_compare(Arguments arguments) {
  std::string a;
  std::string b;
  bool as_json = false;
  unsigned chunk_shift = kMinChunkShift;
  WorkOptions work;
  ArgumentParser parser(
      {.name = "compare",
       .usage = "[--json] [-c CHUNK] A B",
       .summary = "Compares two devices and prints where they differ, a range a line: its offset\n"
                  "and its length in bytes. Exit status 3: they differ."});
  parser.flag("--json", as_json, kJsonHelp);
  parser.chunk_option("-c,--chunk", chunk_shift,
                      "Ranges are whole chunks of this size, 4K to 1M (default 4K)");
  work.declare(parser);
  parser.object("A", a, kDeviceHelp);
  parser.object("B", b, "Another one");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  end_on_bus_error();
  WorkContext context = DD_TRY(work.context({}));
  auto a_device = DD_TRY(open_any_device(a, DeviceAccess::kReadOnly));
  auto b_device = DD_TRY(open_any_device(b, DeviceAccess::kReadOnly));
  const Changelist list = DD_TRY(compare_devices(*a_device, *b_device, chunk_shift, context));
  work.end_progress();
  as_json ? print_json(list) : print_text(list);
  return list.ranges.empty() ? 0 : kStatusOfDifference;
}

}  // namespace ddsnap
