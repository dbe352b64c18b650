#include "server/origin_watch.h"

#include <algorithm>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kSampleBytes = 4096;
constexpr std::uint64_t kHeadSamples = 17;  // up to btrfs's superblock at 64 KiB, included
constexpr std::uint64_t kTailSamples = 16;
constexpr std::uint64_t kSpreadSamples = 64;
constexpr std::uint64_t kBtrfsCopies[] = {64u << 20, std::uint64_t{256} << 30};
constexpr std::uint64_t kDigestSeed = 0x5431310000000001;  // changes with the choice of places

std::vector<std::uint64_t> sample_offsets(std::uint64_t size_bytes) {
  const std::uint64_t count = (size_bytes + kSampleBytes - 1) / kSampleBytes;
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < std::min(kHeadSamples, count); ++i) numbers.push_back(i);
  for (std::uint64_t i = 1; i <= std::min(kTailSamples, count); ++i) numbers.push_back(count - i);
  for (std::uint64_t i = 0; i < kSpreadSamples; ++i)
    numbers.push_back(count / kSpreadSamples * i + count % kSpreadSamples * i / kSpreadSamples);
  for (const std::uint64_t copy : kBtrfsCopies)
    if (copy < size_bytes) numbers.push_back(copy / kSampleBytes);
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  for (std::uint64_t& number : numbers) number *= kSampleBytes;
  return numbers;
}

}  // namespace

Result<std::uint64_t> digest_of_origin(BlockDevice& origin, std::uint64_t volume_bytes) {
  const auto offsets = sample_offsets(volume_bytes);
  AlignedBuffer buffer(std::max<std::size_t>(offsets.size(), 1) * kSampleBytes);
  std::ranges::fill(buffer.span(), std::byte{0});
  std::vector<IoRequest> reads;
  for (std::size_t i = 0; i < offsets.size(); ++i)
    reads.push_back(IoRequest::read(
        offsets[i], buffer.span().subspan(i * kSampleBytes,
                                          std::min(kSampleBytes, volume_bytes - offsets[i]))));
  DD_TRY(origin.run(reads));
  return checksum_of(buffer.span(), kDigestSeed);
}

OriginWatch::OriginWatch(VolumeParts parts)
    : parts_(parts),
      sealed_bytes_(parts.store.facts().grown_from_bytes != 0
                        ? parts.store.facts().grown_from_bytes
                        : parts.store.facts().geometry.volume_bytes) {}

Status OriginWatch::seal() {
  const std::uint64_t volume_bytes = parts_.store.facts().geometry.volume_bytes;
  DD_TRY(parts_.store.seal_origin(DD_TRY(digest_of_origin(parts_.origin, volume_bytes))));
  sealed_bytes_ = volume_bytes;
  return {};
}

void OriginWatch::on_last_detach() {
  if (parts_.config.is_without_store || parts_.store.failed()) return;
  Status done = parts_.origin.flush();
  if (done) done = seal();
  if (!done)
    parts_.log.warning("writes to {} while nothing is attached cannot be noticed: {}",
                       parts_.config.origin_path, done.error().message());
}

void OriginWatch::check() {
  const auto& known = parts_.store.origin_digest();
  if (!known) return;
  const auto digest = digest_of_origin(parts_.origin, sealed_bytes_);
  if (!digest) {
    parts_.log.warning("whether {} was written meanwhile cannot be told: {}",
                       parts_.config.origin_path, digest.error().message());
    return;
  }
  const bool has_grown = sealed_bytes_ != parts_.store.facts().geometry.volume_bytes;
  const bool is_as_left = *digest == *known;
  if (is_as_left && !has_grown) return;
  Status noted;
  if (!is_as_left) {
    parts_.log.error(
        "{} was written while no target was attached: its snapshots may hold later "
        "content, and changelists across that time are refused; take a new snapshot and "
        "send it whole",
        parts_.config.origin_path);
    noted = parts_.store.lose_track();
  }
  if (noted) noted = seal();
  if (!noted) parts_.log.error("that cannot be noted: {}", noted.error().message());
}

}  // namespace ddsnap
