// A snapstore, a client that behaves as an origin target should, and a model that knows what every
// snapshot must hold.
//
// Shape     Chunks hold content numbers: content n is n's own pseudo-random bytes, 0 is zeros. The
// model is brute force: a full image for
//           every snapshot, a plain set for every change map; it shares no code with the store.
//           Steps are drawn from a seed, so a failing run is replayed by its number.
// Errors    step() returns the store's error, and only after it has noted what may now be true
// either way (what was in flight). Source    DESIGN.md section 3 is the algebra that the model
// checks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ddsnap/base/random.h"
#include "ddsnap/io/block_device.h"
#include "server/store/snap_store.h"

namespace ddsnap::test {

using Content = std::uint64_t;

// The bytes of one chunk with this content.
std::vector<std::byte> content_bytes(Content content, std::size_t chunk_bytes);

struct ModelBoundary {
  Uuid uuid;
  std::string tag;
  bool is_live = true;
  std::vector<Content> image;       // live only: what each chunk must read
  std::set<std::uint32_t> dirty;    // privately written and not flushed since
  std::set<std::uint32_t> written;  // keys of P
  std::set<std::uint32_t> changed;  // its change map
};

// What must be true, and what may be.
struct Model {
  std::vector<Content> origin;
  std::vector<ModelBoundary> boundaries;  // oldest first
  std::optional<ModelBoundary> maybe_created;
  std::optional<Uuid> maybe_removed;  // or turned into a bookmark
  Content next_content = 1;
};

struct HarnessMix {
  unsigned write = 70, create = 8, bookmark = 2, remove = 6, to_bookmark = 3, snapshot_write = 6,
           background = 10, seal = 3, attribute = 2, checkpoint = 1;
  unsigned zero_percent = 10;
};

class StoreHarness {
 public:
  static constexpr unsigned kChunkShift = 12;
  static constexpr std::size_t kChunkBytes = std::size_t{1} << kChunkShift;

  // `origin` must be a multiple of 512 bytes long; its last chunk may be short.
  StoreHarness(SnapStore& store, BlockDevice& snapstore, BlockDevice& origin, Model& model,
               RandomSource& random, const HarnessMix& mix = {});

  // One random act. An error is the store's or the devices'.
  Status step();
  Status drain_background();

  Status write_chunks(std::uint32_t first, std::uint32_t count);
  Status create(bool is_bookmark);
  Status remove(std::size_t index, SnapStore::Keep keep);

 private:
  Status random_write();
  Status random_remove(SnapStore::Keep keep);
  Status snapshot_write();
  Status change_attribute();
  Status write_origin(std::uint32_t chunk, Content content);
  ModelBoundary* random_boundary(bool live_only);

  SnapStore& store_;
  BlockDevice& snapstore_;
  BlockDevice& origin_;
  Model& model_;
  RandomSource& random_;
  HarnessMix mix_;
};

// Compares every snapshot byte by byte, every boundary's presence, and every changelist with the
// model. Empty: all is right. `is_exact`: no crash came between, so change maps must be equal and
// not merely large enough.
std::string check_store(SnapStore& store, BlockDevice& snapstore, BlockDevice& origin,
                        const Model& model, bool is_exact);

// What is there now becomes what must be there: after a crash, of the two possible outcomes the one
// that came true.
void settle(Model& model, SnapStore& store, BlockDevice& snapstore, BlockDevice& origin);

}  // namespace ddsnap::test
