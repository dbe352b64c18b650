// A volume with a server as the end of a stream.
//
// Errors    As Downstream.
#pragma once

#include "ddsnap/replica/downstream.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

class DownstreamVolume final : public Downstream {
 public:
  // `server`: its socket.
  static Result<std::unique_ptr<Downstream>> open(const std::string& server);

  const std::string& name() const override { return server_; }
  bool is_volume() const override { return true; }
  Result<ChunkGeometry> geometry() override;
  Result<std::vector<HeldSnapshot>> held() override;
  Result<std::optional<ReceivePoint>> point() override;
  Result<std::unique_ptr<BlockDevice>> open_present() override;
  Result<std::unique_ptr<BlockDevice>> open_snapshot(const Uuid& uuid) override;
  Result<ReceiveReport> receive(ByteSource& source, const ReceiveOptions& options,
                                WorkContext& context) override;

 private:
  explicit DownstreamVolume(std::string server) : server_(std::move(server)) {}
  Result<ServerStatusMessage> status() const;
  Result<std::vector<SnapshotEntry>> snapshots() const;

  const std::string server_;
};

}  // namespace ddsnap
