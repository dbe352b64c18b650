#include "ddsnap/replica/downstream_volume.h"

#include <algorithm>

#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/peeked_source.h"
#include "ddsnap/replica/receive_point.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/volume_receive.h"
#include "ddsnap/replica/volume_record.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

Result<std::unique_ptr<Downstream>> DownstreamVolume::open(const std::string& server) {
  // That one of ours is there, and answers.
  DD_TRY(DD_TRY(ServerClient::connect(server)).status());
  return std::unique_ptr<Downstream>(new DownstreamVolume(server));
}

Result<ServerStatusMessage> DownstreamVolume::status() const {
  ServerClient client = DD_TRY(ServerClient::connect(server_));
  return client.status();
}

Result<std::vector<SnapshotEntry>> DownstreamVolume::snapshots() const {
  ServerClient client = DD_TRY(ServerClient::connect(server_));
  return client.snapshots();
}

Result<ChunkGeometry> DownstreamVolume::geometry() {
  const ServerStatusMessage told = DD_TRY(status());
  return ChunkGeometry{.chunk_shift = told.chunk_shift, .volume_bytes = told.origin_bytes};
}

Result<std::vector<HeldSnapshot>> DownstreamVolume::held() {
  std::vector<HeldSnapshot> all;
  for (const SnapshotEntry& entry : DD_TRY(snapshots())) all.push_back(held_from(entry));
  return all;
}

Result<std::optional<ReceivePoint>> DownstreamVolume::point() {
  const VolumeRecord record = DD_TRY(VolumeRecord::open(DD_TRY(status()).store_uuid));
  return point_of({.window = record.window()});
}

Result<std::unique_ptr<BlockDevice>> DownstreamVolume::open_present() {
  return open_ddsnap_device(std::string(kDdsnapScheme) + server_);
}

Result<std::unique_ptr<BlockDevice>> DownstreamVolume::open_snapshot(const Uuid& uuid) {
  for (const SnapshotEntry& entry : DD_TRY(snapshots()))
    if (entry.uuid == uuid && entry.state == BoundaryState::kLive)
      return open_ddsnap_device(std::string(kDdsnapScheme) + server_ + "#" + entry.tag);
  return fail(ErrorCode::kNotFound,
              server_ + ": has no data of a snapshot with uuid " + uuid.to_string());
}

Result<ReceiveReport> DownstreamVolume::receive(ByteSource& source, const ReceiveOptions& options,
                                                WorkContext& context) {
  PeekedSource peeked = DD_TRY(PeekedSource::take(source));
  return VolumeReceive(server_, peeked.header(), options, context).run(peeked);
}

}  // namespace ddsnap
