#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/peer_options.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/compare.h"
#include "ddsnap/replica/server_address.h"
#include "ddsnap/replica/session_sender.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

constexpr int kStatusOfDifference = 3;

constexpr std::string_view kTcpScheme = "tcp://";

// A range of chunks in bytes, as far as the larger device goes.
ByteRange bytes_of(const Changelist& list, const ChunkRange& range) {
  const std::uint64_t start = std::uint64_t{range.first.value} << list.chunk_shift;
  const std::uint64_t end =
      std::min(range.end() << list.chunk_shift, std::max(list.from_bytes, list.to_bytes));
  return {start, end - start};
}

struct Difference {
  std::uint64_t a_bytes = 0;
  std::uint64_t b_bytes = 0;  // 0: not told, on another machine
  unsigned chunk_shift = 0;
  std::vector<ByteRange> ranges;
};

void print_text(const Difference& found) {
  for (const ByteRange& bytes : found.ranges)
    fmt::print("{} {}\n", bytes.offset_bytes, bytes.length_bytes);
}

void print_json(const Difference& found) {
  nlohmann::ordered_json ranges = nlohmann::ordered_json::array();
  std::uint64_t different_bytes = 0;
  for (const ByteRange& bytes : found.ranges) {
    ranges.push_back({{"offset_bytes", bytes.offset_bytes}, {"length_bytes", bytes.length_bytes}});
    different_bytes += bytes.length_bytes;
  }
  nlohmann::ordered_json all{{"a_bytes", found.a_bytes}};
  if (found.b_bytes != 0) all["b_bytes"] = found.b_bytes;
  all["chunk_bytes"] = 1u << found.chunk_shift;
  all["different_bytes"] = different_bytes;
  all["ranges"] = ranges;
  fmt::print("{}\n", all.dump(2));
}

Result<Difference> compare_here(const std::string& a, const std::string& b, unsigned chunk_shift,
                                WorkContext& context) {
  auto a_device = DD_TRY(open_any_device(a, DeviceAccess::kReadOnly));
  auto b_device = DD_TRY(open_any_device(b, DeviceAccess::kReadOnly));
  const Changelist list = DD_TRY(compare_devices(*a_device, *b_device, chunk_shift, context));
  Difference found{list.from_bytes, list.to_bytes, chunk_shift, {}};
  for (const ChunkRange& range : list.ranges) found.ranges.push_back(bytes_of(list, range));
  return found;
}

// "tcp://HOST:PORT/VOLUME#TAG"
Result<Difference> compare_there(const std::string& a, const std::string& b, unsigned chunk_shift,
                                 const PeerOptions& link, WorkContext& context) {
  const auto hash = b.find('#');
  const std::string tag = hash == std::string::npos ? "" : b.substr(hash + 1);
  const TcpAddress address = DD_TRY(parse_tcp_address(
      b.substr(kTcpScheme.size(), hash == std::string::npos ? hash : hash - kTcpScheme.size())));
  auto device = DD_TRY(open_any_device(a, DeviceAccess::kReadOnly));
  const auto channel = DD_TRY(link.connect(address, 0, context.interruption));
  Difference found{device->size_bytes(), 0, chunk_shift, {}};
  found.ranges = DD_TRY(compare_over(*channel, *device, chunk_shift, address.volume, tag, context));
  return found;
}

}  // namespace

Result<int> cmd_compare(Arguments arguments) {
  std::string a;
  std::string b;
  bool as_json = false;
  unsigned chunk_shift = kMinChunkShift;
  WorkOptions work;
  PeerOptions link;
  ArgumentParser parser(
      {.name = "compare",
       .usage = "[--json] [-c CHUNK] A B\n"
                "       ddsnap compare [--key FILE] A tcp://HOST[:PORT][/VOLUME][#TAG]",
       .summary = "Compares two devices and prints where they differ, a range a line: its offset\n"
                  "and its length in bytes. Exit status 3: they differ. B may be a volume of a\n"
                  "listener on another machine: then hashes go over the wire."});
  parser.flag("--json", as_json, kJsonHelp);
  parser.chunk_option("-c,--chunk", chunk_shift,
                      "Ranges are whole chunks of this size, 4K to 1M (default 4K)");
  work.declare(parser);
  parser.device("A", a);
  link.declare(parser);
  parser.object("B", b, "Another one, or what 'ddsnap listen' has on another machine");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  WorkContext context = DD_TRY(work.context({}));
  const Difference found = DD_TRY(
      b.starts_with(kTcpScheme) ? compare_there(a, b, chunk_shift, link, context)
                                : compare_here(a, DD_TRY(device_address(b)), chunk_shift, context));
  work.end_progress();
  as_json ? print_json(found) : print_text(found);
  return found.ranges.empty() ? 0 : kStatusOfDifference;
}

}  // namespace ddsnap
