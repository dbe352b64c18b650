#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/session_source.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

class ServerSource final : public SessionSource {
 public:
  ServerSource(std::string server, ServerClient client, unsigned chunk_shift)
      : server_(std::move(server)), client_(std::move(client)), chunk_shift_(chunk_shift) {}

  const std::string& name() const override { return server_; }
  unsigned chunk_shift() const override { return chunk_shift_; }

  Result<std::vector<SourceSnapshot>> snapshots() override {
    std::vector<SourceSnapshot> all;
    for (const SnapshotEntry& one : DD_TRY(client_.snapshots()))
      all.push_back({one.uuid, one.tag, one.state == BoundaryState::kLive});
    return all;
  }

  Result<Changelist> changelist(const std::string& from_tag, const std::string& to_tag) override {
    return client_.changelist(from_tag, to_tag);
  }

  Result<std::unique_ptr<BlockDevice>> open(const std::string& tag) override {
    return open_any_device(std::string(kDdsnapScheme) + server_ + "#" + tag,
                           DeviceAccess::kReadOnly);
  }

 private:
  const std::string server_;
  ServerClient client_;
  const unsigned chunk_shift_;
};

}  // namespace

Result<std::unique_ptr<SessionSource>> open_server_source(const std::string& server) {
  ServerClient client = DD_TRY(ServerClient::connect(server));
  const unsigned chunk_shift = DD_TRY(client.status())
  .chunk_shift;
  return std::make_unique<ServerSource>(server, std::move(client), chunk_shift);
}

}  // namespace ddsnap
