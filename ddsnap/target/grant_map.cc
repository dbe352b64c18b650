#include "ddsnap/target/grant_map.h"

namespace ddsnap {

GrantMap::GrantMap(std::uint64_t chunk_count)
    : chunk_count_(chunk_count), pages_((chunk_count + kPageChunks - 1) / kPageChunks) {}

GrantMap::~GrantMap() {
  for (auto& page : pages_) delete page.load();
}

bool GrantMap::is_granted(ChunkNr chunk) const {
  if (chunk.value >= chunk_count_) return false;
  // In this order: what grant_head() stored before the generation is read after it.
  if (head_generation_.load() == generation_.load() && chunk.value < head_end_.load()) return true;
  const Page* page = pages_[chunk.value / kPageChunks].load();
  if (page == nullptr || page->generation.load() != generation_.load()) return false;
  const std::uint32_t bit = chunk.value % kPageChunks;
  return (page->words[bit / 64].load() >> (bit % 64)) & 1;
}

bool GrantMap::all_granted(ChunkRange range) const {
  for (std::uint64_t chunk = range.first.value; chunk < range.end(); ++chunk)
    if (!is_granted(ChunkNr{static_cast<std::uint32_t>(chunk)})) return false;
  return true;
}

GrantMap::Page& GrantMap::page_of(ChunkNr chunk) {
  std::atomic<Page*>& place = pages_[chunk.value / kPageChunks];
  Page* page = place.load();
  if (page == nullptr) {
    page = std::make_unique<Page>().release();  // owned by pages_ from here on
    place.store(page);
  }
  if (const std::uint64_t now = generation_.load(); page->generation.load() != now) {
    // Emptied before it counts again; a reader meanwhile still finds the old generation.
    for (auto& word : page->words) word.store(0);
    page->generation.store(now);
  }
  return *page;
}

// Whether the range is long and goes on where the head ends, which then ends at `end`.
bool GrantMap::grant_head(std::uint64_t first, std::uint64_t end) {
  if (const std::uint64_t now = generation_.load(); head_generation_.load() != now) {
    head_end_.store(0);
    head_generation_.store(now);
  }
  if (first > head_end_.load() || end < first + kPageChunks) return false;
  if (end > head_end_.load()) head_end_.store(end);
  return true;
}

void GrantMap::grant(ChunkRange range) {
  const std::uint64_t end = std::min(range.end(), chunk_count_);
  if (grant_head(range.first.value, end)) return;
  for (std::uint64_t chunk = range.first.value; chunk < end; ++chunk) {
    const ChunkNr nr{static_cast<std::uint32_t>(chunk)};
    const std::uint32_t bit = nr.value % kPageChunks;
    page_of(nr).words[bit / 64].fetch_or(std::uint64_t{1} << (bit % 64));
  }
}

}  // namespace ddsnap
