// Prints where two snapshots of a volume differ and, if asked, writes the delta: an example of the
// library's two halves, the client of a server and the delta engine.
//
//   c++ changed_chunks.cc $(pkg-config --cflags --libs ddsnap) -o changed_chunks
//   ./changed_chunks SERVER FROM TO [DELTA]
#include <ddsnap/base/random.h>
#include <ddsnap/base/result.h>
#include <ddsnap/delta/create_delta.h>
#include <ddsnap/replica/server_client.h>
#include <ddsnap/target/open_ddsnap_device.h>
#include <ddsnap/version.h>

#include <cstdio>
#include <string>

namespace {

using namespace ddsnap;

// No data is read for this: the server knows which chunks were written.
void print_ranges(const Changelist& list) {
  for (const ChunkRange& range : list.ranges)
    std::printf("%llu %llu\n",
                static_cast<unsigned long long>(range.first.value) << list.chunk_shift,
                static_cast<unsigned long long>(range.count) << list.chunk_shift);
}

// Errors are values: DD_TRY hands them to the caller, or gives what was made.
Status write_delta(const Changelist& list, const std::string& server, const std::string& path) {
  const auto from =
      DD_TRY(open_any_device("ddsnap:" + server + "#" + list.from_tag, DeviceAccess::kReadOnly));
  const auto to =
      DD_TRY(open_any_device("ddsnap:" + server + "#" + list.to_tag, DeviceAccess::kReadOnly));
  const auto sink = DD_TRY(open_sink(path));
  SystemRandom random;
  const CreateDeltaReport report =
      DD_TRY(create_delta(list, from.get(), *to, CreateDeltaOptions{}, random, *sink));
  std::fprintf(stderr, "%llu bytes\n", static_cast<unsigned long long>(report.stream_bytes));
  return {};
}

Status run(const std::string& server, const std::string& from, const std::string& to,
           const char* path) {
  ServerClient client = DD_TRY(ServerClient::connect(server));
  const Changelist list = DD_TRY(client.changelist(from, to));
  print_ranges(list);
  if (path != nullptr) DD_TRY(write_delta(list, server, path));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: changed_chunks SERVER FROM TO [DELTA] (ddsnap %s)\n",
                 DDSNAP_VERSION_TEXT);
    return 2;
  }
  const Status status = run(argv[1], argv[2], argv[3], argc > 4 ? argv[4] : nullptr);
  if (status) return 0;
  std::fprintf(stderr, "changed_chunks: %s\n", status.error().message().c_str());
  return exit_status(status.error());
}
