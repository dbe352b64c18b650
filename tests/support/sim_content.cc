#include "tests/support/sim_content.h"

#include <cstring>

namespace ddsnap::test {

SimContents::SectorBytes SimContents::bytes_of(ContentId content, std::uint32_t sector) const {
  SectorBytes bytes{};
  if (content == 0) return bytes;
  if (!adopted_.empty())
    if (const auto found = adopted_.find(content); found != adopted_.end()) return found->second;
  std::uint64_t word = (std::uint64_t{content} << 32 | (sector + 1)) * 0x9e3779b97f4a7c15u;
  std::array<std::uint64_t, kSimSectorBytes / sizeof word> words;
  for (std::uint64_t& out : words) out = word += 0xbf58476d1ce4e5b9u;
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

bool SimContents::matches(ContentId content, std::uint32_t sector,
                          std::span<const std::byte> bytes) const {
  const SectorBytes expected = bytes_of(content, sector);
  return std::memcmp(expected.data(), bytes.data(), expected.size()) == 0;
}

ContentId SimContents::adopt(std::span<const std::byte> bytes) {
  const ContentId content = make();
  std::memcpy(adopted_[content].data(), bytes.data(), kSimSectorBytes);
  return content;
}

}  // namespace ddsnap::test
