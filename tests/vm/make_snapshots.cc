// Takes COUNT snapshots, tags FIRST, FIRST+1 ..., one after another over one connection: an
// emulated machine would need minutes to start `ddsnap create` a thousand times.
//
//   make_snapshots SERVER FIRST COUNT
#include <cstdio>
#include <cstdlib>
#include <string>

#include "ddsnap/base/random.h"
#include "ddsnap/replica/server_client.h"

namespace {

ddsnap::Status make_snapshots(const char* server, unsigned long first, unsigned long count) {
  ddsnap::ServerClient client = DD_TRY(ddsnap::ServerClient::connect(server));
  ddsnap::SystemRandom random;
  for (unsigned long tag = first; tag < first + count; ++tag) {
    ddsnap::CreateSnapshotMessage request;
    request.tag = std::to_string(tag);
    request.uuid = ddsnap::Uuid::make(random);
    DD_TRY(client.create(request));
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: make_snapshots SERVER FIRST COUNT\n");
    return 2;
  }
  const ddsnap::Status done = make_snapshots(argv[1], std::strtoul(argv[2], nullptr, 10),
                                             std::strtoul(argv[3], nullptr, 10));
  if (done) return 0;
  std::fprintf(stderr, "make_snapshots: %s\n", done.error().message().c_str());
  return 1;
}
