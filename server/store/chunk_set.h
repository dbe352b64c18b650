// A set of chunks, as a table has of its keys: a bitmap while it changes, and at rest the smaller
// of a bitmap and a sorted list.
//
// Units     Chunk numbers.
// Shape     A CRoaring bitmap costs some 75 bytes for each 65,536 neighbouring chunks of which any
//           is there, and two for each chunk; a list costs four a chunk. So a thousand chunks
//           scattered over 16 TiB take 80 KiB as a bitmap and 4 as a list, while ranges and dense
//           sets are smaller as a bitmap. Chunks that are added in ascending order make a list as
//           long as it is short; any other change makes a bitmap, until rest().
// Threads   None inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <roaring/roaring.hh>
#include <span>
#include <variant>
#include <vector>

namespace ddsnap {

class ChunkSet {
 public:
  ChunkSet() = default;
  // At rest only after rest().
  explicit ChunkSet(Roaring bitmap) : form_(std::move(bitmap)) {}

  bool is_empty() const;
  std::uint64_t cardinality() const;
  bool contains(std::uint32_t chunk) const;
  // Requires: not empty.
  std::uint32_t maximum() const;
  // At most `count` of them, ascending, from `first` on.
  std::vector<std::uint32_t> some_from(std::uint32_t first, std::size_t count) const;
  Roaring bitmap() const;
  // Of bitmap() in the portable format, at most.
  std::uint64_t stored_bytes() const;
  // In memory, as the allocator has it, about.
  std::uint64_t memory_bytes() const;
  bool is_list() const { return std::holds_alternative<List>(form_); }

  // False when it was there.
  bool add(std::uint32_t chunk);
  void remove(std::uint32_t chunk);
  ChunkSet& operator|=(const ChunkSet& other);
  ChunkSet& operator|=(const Roaring& other);
  // Takes the smaller form. Costs a few steps a chunk; nothing where nothing changed since.
  void rest();

  void add_to(Roaring& sum) const;
  // Works through all chunks, ascending: void(std::uint32_t).
  template <class Function>
  void for_each(Function function) const;

  friend Roaring common(const ChunkSet& a, const ChunkSet& b);
  friend Roaring common(const ChunkSet& a, const Roaring& b);
  friend bool operator==(const ChunkSet& a, const ChunkSet& b);

 private:
  using List = std::vector<std::uint32_t>;
  static constexpr std::size_t kMaxGrowingList = 1 << 16;
  Roaring& as_bitmap();

  std::variant<List, Roaring> form_;
  bool is_at_rest_ = true;
};

Roaring common(const ChunkSet& a, const ChunkSet& b);
Roaring common(const ChunkSet& a, const Roaring& b);
// What is in `chunks` and not in `others`.
Roaring without(Roaring chunks, const ChunkSet& others);
bool operator==(const ChunkSet& a, const ChunkSet& b);

template <class Function>
void ChunkSet::for_each(Function function) const {
  if (const List* list = std::get_if<List>(&form_))
    for (const std::uint32_t chunk : *list) function(chunk);
  else
    for (const std::uint32_t chunk : std::get<Roaring>(form_)) function(chunk);
}

}  // namespace ddsnap
