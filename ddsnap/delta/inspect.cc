#include "ddsnap/delta/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ddsnap/delta/changelist_file.h"
#include "ddsnap/delta/device_scan.h"
#include "ddsnap/delta/digest_reader.h"

namespace ddsnap {

namespace {

// A source that gives a few bytes, read ahead to learn what it is, once more.
class PeekedSource final : public ByteSource {
 public:
  explicit PeekedSource(ByteSource& next) : next_(next) {}

  Result<std::span<const std::byte>> peek() {
    while (held_bytes_ < held_.size()) {
      const std::size_t got = DD_TRY(next_.read(std::span(held_).subspan(held_bytes_)));
      if (got == 0) break;
      held_bytes_ += got;
    }
    return std::span<const std::byte>(held_).first(held_bytes_);
  }
  // So many were read so far.
  std::uint64_t read_bytes() const { return at_ + passed_bytes_; }
  Result<std::size_t> read(std::span<std::byte> into) override {
    if (at_ == held_bytes_) {
      const std::size_t got = DD_TRY(next_.read(into));
      passed_bytes_ += got;
      return got;
    }
    const std::size_t take = std::min(into.size(), held_bytes_ - at_);
    std::memcpy(into.data(), held_.data() + at_, take);
    at_ += take;
    return take;
  }
  bool can_rewind() const override { return false; }
  Status rewind() override { return fail(ErrorCode::kUsage, "cannot be read twice"); }
  const std::string& name() const override { return next_.name(); }

 private:
  ByteSource& next_;
  std::array<std::byte, 8> held_{};
  std::size_t held_bytes_ = 0;
  std::size_t at_ = 0;
  std::uint64_t passed_bytes_ = 0;
};

bool begins_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() == magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

Result<DigestFacts> inspect_digest(PeekedSource& source) {
  DigestReader reader = DD_TRY(DigestReader::open(source));
  DigestFacts facts{.header = reader.header()};
  const std::uint64_t chunks = facts.header.geometry().chunk_count();
  const Hash128 zero = digest_padded({}, facts.header.geometry().chunk_bytes());
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk)
    if (DD_TRY(reader.next()) == zero) ++facts.zero_chunks;
  DD_TRY(reader.finish());
  facts.file_bytes = source.read_bytes();
  return facts;
}

}  // namespace

Result<InspectedFile> inspect(ByteSource& source) {
  PeekedSource peeked(source);
  const auto begin = DD_TRY(peeked.peek());
  if (begins_with(begin, "DDSDELTA")) return DD_TRY(verify_delta(peeked));
  if (begins_with(begin, "DDSDIGST")) return DD_TRY(inspect_digest(peeked));
  if (!begins_with(begin, "DDSCHGLS"))
    return fail(ErrorCode::kDamaged,
                fmt::format("{} is neither a changelist nor a delta nor a digest", source.name()));
  ChangelistFacts facts {
    .list = DD_TRY(read_changelist(peeked))
  };
  facts.chunk_count = facts.list.chunk_count();
  facts.known_hashes = static_cast<std::uint64_t>(std::count_if(
      facts.list.before.begin(), facts.list.before.end(), [](const auto& h) { return !!h; }));
  return facts;
}

Result<InspectedFile> inspect_path(const std::string& path) {
  const auto source = DD_TRY(open_source(path));
  return inspect(*source);
}

}  // namespace ddsnap
