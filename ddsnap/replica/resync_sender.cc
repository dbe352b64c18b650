#include "ddsnap/replica/resync_sender.h"

#include <algorithm>
#include <cstring>

#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/replica/window_send.h"

namespace ddsnap {

namespace {

// The device as far as it is in memory already: no chunk is read twice.
class WindowDevice final : public BlockDevice {
 public:
  WindowDevice(const BlockDevice& device, const HashWindow& window, unsigned chunk_shift)
      : device_(device),
        window_(window),
        start_bytes_(std::uint64_t{window.chunks().first.value} << chunk_shift) {}

  const DeviceGeometry& geometry() const override { return device_.geometry(); }
  const std::string& name() const override { return device_.name(); }
  std::string proven_snapshot_uuid() const override { return device_.proven_snapshot_uuid(); }
  Status flush() override { return {}; }

  Status run(std::span<IoRequest> batch) override {
    DD_TRY(admit_batch(*this, batch, false));
    for (IoRequest& one : batch) {
      const std::uint64_t at = one.offset_bytes - start_bytes_;
      if (window_.is_zero()) {
        std::memset(one.data, 0, one.length_bytes);
      } else {
        DD_CHECK(at + one.length_bytes <= window_.bytes().size());
        std::memcpy(one.data, window_.bytes().data() + at, one.length_bytes);
      }
    }
    return {};
  }

 private:
  const BlockDevice& device_;
  const HashWindow& window_;
  const std::uint64_t start_bytes_;
};

}  // namespace

ResyncSender::ResyncSender(MessageStream& stream, const StartSession& start, BlockDevice& device,
                           CodecChoice codec, RandomSource& random, WorkContext& context)
    : stream_(stream),
      start_(start),
      device_(device),
      codec_(codec),
      random_(random),
      context_(context),
      window_(device, {start.chunk_shift, start.to_bytes}, context) {}

Result<Changelist> ResyncSender::differences(const HashesSession& theirs) {
  Changelist list;
  list.to_uuid = start_.to;
  list.to_tag = start_.to_tag;
  list.from_bytes = list.to_bytes = start_.to_bytes;
  list.chunk_shift = start_.chunk_shift;
  DD_TRY(window_.read(theirs.chunks));
  if (window_.is_zero() && theirs.hashes.empty()) return list;
  const std::vector<Hash128> ours = window_.hashes();
  const Hash128 zero = window_.zero_hash();
  for (std::uint32_t i = 0; i < theirs.chunks.count; ++i)
    if ((ours.empty() ? zero : ours[i]) != (theirs.hashes.empty() ? zero : theirs.hashes[i]))
      list.append(ChunkRange{{theirs.chunks.first.value + i}, 1});
  return list;
}

Status ResyncSender::run(const std::function<void(const Changelist&)>& sent) {
  const ChunkGeometry geometry{start_.chunk_shift, start_.to_bytes};
  DD_TRY(check_holds_volume(device_, geometry));
  DD_TRY(stream_.send(start_));
  DD_TRY(stream_.expect<GoSession>());
  for (std::uint64_t next = 0; next < geometry.chunk_count();) {
    const auto theirs = DD_TRY(stream_.expect<HashesSession>());
    const auto count = std::min<std::uint64_t>(start_.window_chunks, geometry.chunk_count() - next);
    if (theirs.chunks.first.value != next || theirs.chunks.count != count)
      return fail(ErrorCode::kDamaged, stream_.channel().peer() + ": hashes come out of order");
    next += count;
    const Changelist list = DD_TRY(differences(theirs));
    if (list.ranges.empty()) {
      DD_TRY(stream_.send(SameSession{.chunks = theirs.chunks}));
    } else {
      WindowDevice content(device_, window_, start_.chunk_shift);
      DD_TRY(send_window(stream_, list, content, codec_, random_, context_));
      ++windows_;
      sent(list);
    }
    context_.report({.chunks_done = next,
                     .chunks_total = geometry.chunk_count(),
                     .chunk_bytes = geometry.chunk_bytes(),
                     .address_bytes = next << start_.chunk_shift});
  }
  return {};
}

}  // namespace ddsnap
