#include "ddsnap/replica/upstream.h"

#include <algorithm>
#include <cstring>

#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

// Gives the same bytes each time: what makes the uuid of a delta follow from what it is.
class ConstantRandom final : public RandomSource {
 public:
  explicit ConstantRandom(const Uuid& uuid) : uuid_(uuid) {}
  void fill(std::span<std::byte> out) override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = uuid_.bytes[i % uuid_.bytes.size()];
  }

 private:
  const Uuid uuid_;
};

template <class Number>
void put(std::vector<std::byte>& bytes, Number number) {
  for (std::size_t i = 0; i < sizeof(number); ++i)
    bytes.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(number) >> (8 * i)));
}

}  // namespace

Uuid delta_uuid_of(const Changelist& list, const CreateDeltaOptions& options) {
  std::vector<std::byte> bytes;
  for (const Uuid& uuid : {list.from_uuid, list.to_uuid})
    bytes.insert(bytes.end(), uuid.bytes.begin(), uuid.bytes.end());
  put(bytes, list.from_bytes);
  put(bytes, list.to_bytes);
  put(bytes, list.chunk_shift);
  put(bytes, static_cast<std::uint8_t>(options.mode));
  put(bytes, static_cast<std::uint8_t>(options.codec.codec));
  put(bytes, static_cast<std::uint32_t>(options.codec.level));
  put(bytes, options.frame_data_bytes);
  for (const ChunkRange& range : list.ranges) {
    put(bytes, range.first.value);
    put(bytes, range.count);
  }
  return Uuid::derived_from(bytes);
}

Result<Upstream> Upstream::open(const std::string& server) {
  // That one of ours is there, and answers.
  DD_TRY(DD_TRY(ServerClient::connect(server)).status());
  return Upstream(server);
}

Result<std::vector<HeldSnapshot>> Upstream::held() const {
  ServerClient client = DD_TRY(ServerClient::connect(server_));
  std::vector<HeldSnapshot> all;
  for (const SnapshotEntry& entry : DD_TRY(client.snapshots())) all.push_back(held_from(entry));
  return all;
}

Result<HeldSnapshot> Upstream::find(const std::string& tag) const {
  for (const HeldSnapshot& one : DD_TRY(held()))
    if (one.tag == tag) return one;
  return fail(ErrorCode::kNotFound, server_ + ": has no snapshot '" + tag + "'");
}

Result<Changelist> Upstream::changelist(const std::string& from_tag, const HeldSnapshot& to) const {
  ServerClient client = DD_TRY(ServerClient::connect(server_));
  if (!from_tag.empty()) return client.changelist(from_tag, to.tag);
  const unsigned chunk_shift = DD_TRY(client.status())
  .chunk_shift;
  return full_changelist({.chunk_shift = chunk_shift, .volume_bytes = to.size_bytes}, to.uuid,
                         to.tag);
}

Result<std::unique_ptr<BlockDevice>> Upstream::open_snapshot(const HeldSnapshot& snapshot) const {
  if (!snapshot.has_data)
    return fail(ErrorCode::kNotFound,
                server_ + ": '" + snapshot.tag + "' is a bookmark: its data is not kept");
  return open_ddsnap_device(std::string(kDdsnapScheme) + server_ + "#" + snapshot.tag);
}

Result<CreateDeltaReport> Upstream::write_delta(const std::string& from_tag,
                                                const std::string& to_tag,
                                                const StreamOptions& options, ByteSink& sink,
                                                WorkContext& context) const {
  const HeldSnapshot to = DD_TRY(find(to_tag));
  const auto newer = DD_TRY(open_snapshot(to));
  std::unique_ptr<BlockDevice> older;
  CreateDeltaOptions how{.codec = options.codec,
                         .created_ns = to.created_ns,
                         .frame_data_bytes = options.frame_data_bytes};
  if (from_tag.empty()) {
    how.mode = DeltaMode::kRaw;
  } else {
    const HeldSnapshot from = DD_TRY(find(from_tag));
    if (from.has_data) older = DD_TRY(open_snapshot(from));
    if (!from.has_data) how.mode = DeltaMode::kRaw;
  }
  const Changelist list = DD_TRY(changelist(from_tag, to));
  ConstantRandom random(delta_uuid_of(list, how));
  return create_delta(list, older.get(), newer.get(), how, random, sink, context);
}

}  // namespace ddsnap
