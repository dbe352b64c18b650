// Which chunks an origin target may write: the bitmap that makes a granted chunk cost no message
// (T1).
//
// Units     ChunkNr.
// Shape     Pages of 32,768 chunks, made when first granted into and kept; clear() ages all of them
// at once by a generation number, so that a barrier costs the same at every size of volume. A
// volume without a snapshot is granted whole: long grants from the first chunk on are one number.
// Threads   all_granted() takes no lock and may run beside anything. grant() and clear() are
// serialised by the caller. All of it is sequentially consistent: a write that was counted in
// flight before it saw its grant here is seen by whoever clears and then looks at the count (T2).
// Lifetime  Memory is given back at the end only: 4 KiB a page.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "ddsnap/base/units.h"

namespace ddsnap {

class GrantMap {
 public:
  explicit GrantMap(std::uint64_t chunk_count);
  ~GrantMap();
  GrantMap(const GrantMap&) = delete;
  GrantMap& operator=(const GrantMap&) = delete;

  bool is_granted(ChunkNr chunk) const;
  bool all_granted(ChunkRange range) const;
  // Chunks beyond the volume are passed over: a server may grant more than was asked.
  void grant(ChunkRange range);
  void clear() { generation_.fetch_add(1); }

 private:
  static constexpr std::uint32_t kPageChunks = 32768;
  struct Page {
    std::atomic<std::uint64_t> generation{0};  // bits of another one than the map's do not count
    std::array<std::atomic<std::uint64_t>, kPageChunks / 64> words{};
  };
  Page& page_of(ChunkNr chunk);
  bool grant_head(std::uint64_t first, std::uint64_t end);

  const std::uint64_t chunk_count_;
  std::atomic<std::uint64_t> generation_{1};
  // Every chunk before the end is granted, without a page; the end is of this generation.
  std::atomic<std::uint64_t> head_generation_{0};
  std::atomic<std::uint64_t> head_end_{0};
  std::vector<std::atomic<Page*>> pages_;  // owned
};

}  // namespace ddsnap
