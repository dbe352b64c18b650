#include "ddsnap/replica/downstream_kinds.h"
#include "ddsnap/replica/peeked_source.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/volume_receive.h"

namespace ddsnap {

namespace {

class DownstreamVolume final : public Downstream {
 public:
  explicit DownstreamVolume(std::string server) : server_(std::move(server)) {}
  const std::string& name() const override { return server_; }

  Result<std::vector<HeldSnapshot>> held() override {
    ServerClient client = DD_TRY(ServerClient::connect(server_));
    std::vector<HeldSnapshot> all;
    for (const SnapshotEntry& entry : DD_TRY(client.snapshots())) all.push_back(held_from(entry));
    return all;
  }

  Result<ReceiveReport> receive(ByteSource& source, const ReceiveOptions& options,
                                WorkContext& context) override {
    PeekedSource peeked = DD_TRY(PeekedSource::take(source));
    return VolumeReceive(server_, peeked.header(), options, context).run(peeked);
  }

 private:
  const std::string server_;
};

}  // namespace

Result<std::unique_ptr<Downstream>> open_downstream_volume(const std::string& server) {
  // That one of ours is there, and answers.
  DD_TRY(DD_TRY(ServerClient::connect(server)).status());
  return std::make_unique<DownstreamVolume>(server);
}

}  // namespace ddsnap
