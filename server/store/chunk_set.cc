#include "server/store/chunk_set.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ddsnap {

namespace {

constexpr unsigned kContainerBits = 16;
// Its key and pointer, its header, what the allocator adds to two pieces of memory.
constexpr std::uint64_t kContainerBytes = 75;
constexpr std::uint64_t kLargestContainerBytes = 8192;
constexpr std::uint64_t kBytesOfRange = 4;

Roaring bitmap_of(const std::vector<std::uint32_t>& list) {
  return {list.size(), list.data()};
}

std::uint64_t containers_of(const std::vector<std::uint32_t>& list) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < list.size(); ++i)
    if (i == 0 || list[i] >> kContainerBits != list[i - 1] >> kContainerBits) ++count;
  return count;
}

// What the list would take as a bitmap.
std::uint64_t bitmap_bytes_of(const std::vector<std::uint32_t>& list) {
  std::uint64_t bytes = 0;
  for (std::size_t first = 0; first < list.size();) {
    std::size_t end = first;
    std::uint64_t ranges = 0;
    for (; end < list.size() && list[end] >> kContainerBits == list[first] >> kContainerBits; ++end)
      if (end == first || list[end] != list[end - 1] + 1) ++ranges;
    bytes += kContainerBytes +
             std::min({2 * (end - first), kBytesOfRange * ranges, kLargestContainerBytes});
    first = end;
  }
  return bytes;
}

std::uint64_t bitmap_bytes_of(const Roaring& bitmap) {
  roaring_statistics_t facts;
  roaring_bitmap_statistics(&bitmap.roaring, &facts);
  return std::uint64_t{facts.n_containers} * kContainerBytes + facts.n_bytes_array_containers +
         facts.n_bytes_run_containers + facts.n_bytes_bitset_containers;
}

}  // namespace

bool ChunkSet::is_empty() const {
  const List* list = std::get_if<List>(&form_);
  return list ? list->empty() : std::get<Roaring>(form_).isEmpty();
}

std::uint64_t ChunkSet::cardinality() const {
  const List* list = std::get_if<List>(&form_);
  return list ? list->size() : std::get<Roaring>(form_).cardinality();
}

bool ChunkSet::contains(std::uint32_t chunk) const {
  const List* list = std::get_if<List>(&form_);
  return list ? std::ranges::binary_search(*list, chunk) : std::get<Roaring>(form_).contains(chunk);
}

std::uint32_t ChunkSet::maximum() const {
  const List* list = std::get_if<List>(&form_);
  return list ? list->back() : std::get<Roaring>(form_).maximum();
}

std::vector<std::uint32_t> ChunkSet::some_from(std::uint32_t first, std::size_t count) const {
  std::vector<std::uint32_t> found;
  const auto take = [&](auto at, auto end) {
    for (; at != end && found.size() < count; ++at) found.push_back(*at);
  };
  if (const List* list = std::get_if<List>(&form_)) {
    take(std::ranges::lower_bound(*list, first), list->end());
  } else {
    const Roaring& bitmap = std::get<Roaring>(form_);
    auto at = bitmap.begin();
    at.equalorlarger(first);
    take(at, bitmap.end());
  }
  return found;
}

Roaring ChunkSet::bitmap() const {
  const List* list = std::get_if<List>(&form_);
  return list ? bitmap_of(*list) : std::get<Roaring>(form_);
}

std::uint64_t ChunkSet::stored_bytes() const {
  constexpr std::uint64_t kHeader = 8;
  constexpr std::uint64_t kContainerHeader = 8;
  const List* list = std::get_if<List>(&form_);
  if (!list) return std::get<Roaring>(form_).getSizeInBytes();
  return kHeader + containers_of(*list) * kContainerHeader + 2 * list->size();
}

std::uint64_t ChunkSet::memory_bytes() const {
  const List* list = std::get_if<List>(&form_);
  return list ? list->capacity() * sizeof(std::uint32_t)
              : bitmap_bytes_of(std::get<Roaring>(form_));
}

Roaring& ChunkSet::as_bitmap() {
  is_at_rest_ = false;
  if (const List* list = std::get_if<List>(&form_)) form_ = bitmap_of(*list);
  return std::get<Roaring>(form_);
}

bool ChunkSet::add(std::uint32_t chunk) {
  List* list = std::get_if<List>(&form_);
  if (list && list->size() < kMaxGrowingList && (list->empty() || list->back() < chunk)) {
    list->push_back(chunk);
    is_at_rest_ = false;
    return true;
  }
  if (list && contains(chunk)) return false;
  return as_bitmap().addChecked(chunk);
}

void ChunkSet::remove(std::uint32_t chunk) {
  if (contains(chunk)) as_bitmap().remove(chunk);
}

ChunkSet& ChunkSet::operator|=(const ChunkSet& other) {
  const List* add = std::get_if<List>(&other.form_);
  if (!add) return *this |= std::get<Roaring>(other.form_);
  if (add->empty()) return *this;
  if (const List* list = std::get_if<List>(&form_)) {
    List both;
    both.reserve(list->size() + add->size());
    std::ranges::set_union(*list, *add, std::back_inserter(both));
    form_ = std::move(both);
  } else {
    std::get<Roaring>(form_).addMany(add->size(), add->data());
  }
  is_at_rest_ = false;
  return *this;
}

ChunkSet& ChunkSet::operator|=(const Roaring& other) {
  if (!other.isEmpty()) as_bitmap() |= other;
  return *this;
}

void ChunkSet::rest() {
  if (std::exchange(is_at_rest_, true)) return;
  if (List* list = std::get_if<List>(&form_)) {
    if (list->size() * sizeof(std::uint32_t) <= bitmap_bytes_of(*list)) {
      list->shrink_to_fit();
      return;
    }
    form_ = bitmap_of(*list);
  }
  Roaring& bitmap = std::get<Roaring>(form_);
  bitmap.runOptimize();
  bitmap.shrinkToFit();
  const std::uint64_t count = bitmap.cardinality();
  if (count * sizeof(std::uint32_t) > bitmap_bytes_of(bitmap)) return;
  List list(count);
  bitmap.toUint32Array(list.data());
  form_ = std::move(list);
}

void ChunkSet::add_to(Roaring& sum) const {
  if (const List* list = std::get_if<List>(&form_))
    sum.addMany(list->size(), list->data());
  else
    sum |= std::get<Roaring>(form_);
}

Roaring common(const ChunkSet& a, const Roaring& b) {
  if (const auto* list = std::get_if<ChunkSet::List>(&a.form_)) {
    ChunkSet::List found;
    std::ranges::copy_if(*list, std::back_inserter(found),
                         [&](std::uint32_t chunk) { return b.contains(chunk); });
    return bitmap_of(found);
  }
  return std::get<Roaring>(a.form_) & b;
}

Roaring common(const ChunkSet& a, const ChunkSet& b) {
  const auto* list_a = std::get_if<ChunkSet::List>(&a.form_);
  const auto* list_b = std::get_if<ChunkSet::List>(&b.form_);
  if (!list_a) return common(b, std::get<Roaring>(a.form_));
  if (!list_b) return common(a, std::get<Roaring>(b.form_));
  ChunkSet::List found;
  std::ranges::set_intersection(*list_a, *list_b, std::back_inserter(found));
  return bitmap_of(found);
}

Roaring without(Roaring chunks, const ChunkSet& others) {
  chunks -= common(others, chunks);
  return chunks;
}

bool operator==(const ChunkSet& a, const ChunkSet& b) {
  return a.bitmap() == b.bitmap();
}

}  // namespace ddsnap
