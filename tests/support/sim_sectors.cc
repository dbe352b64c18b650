#include "tests/support/sim_sectors.h"

namespace ddsnap::test {

void SimSectors::write(std::uint32_t sector, ContentId content) {
  Doubt& doubt = doubts_[sector];
  if (doubt.may_be.empty()) doubt.may_be.push_back(now_[sector]);
  doubt.may_be.push_back(content);
  now_[sector] = content;
}

void SimSectors::on_flush() {
  std::erase_if(doubts_,
                [](const auto& entry) { return entry.second.lost < entry.second.may_be.size(); });
}

void SimSectors::on_failed_flush() {
  for (auto& [sector, doubt] : doubts_) doubt.lost = doubt.may_be.size();
}

bool SimSectors::settle(std::uint32_t sector, std::span<const std::byte> bytes,
                        SimContents& contents) {
  if (contents.matches(now_[sector], sector, bytes)) return true;
  const auto doubt = doubts_.find(sector);
  if (doubt == doubts_.end()) return false;
  for (const ContentId content : doubt->second.may_be) {
    if (!contents.matches(content, sector, bytes)) continue;
    now_[sector] = content;
    return true;
  }
  now_[sector] = contents.adopt(bytes);  // torn
  return true;
}

}  // namespace ddsnap::test
