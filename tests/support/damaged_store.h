// A store with a history and the model of it, as bytes that a test may damage; and what must be
// true of any damaged copy: nothing wrong is ever read, and what cannot be read was reported.
//
// Shape     Content of the devices, in the order of StoreDevices: snapstore, origin, perhaps
//           metadata.
// Threads   None inside.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/store/damage.h"
#include "server/store/inspection.h"
#include "tests/support/memory_device.h"
#include "tests/support/store_harness.h"

namespace ddsnap::test {

struct StoreBytes {
  std::vector<CowBytes> devices;
};

// The devices of one copy.
class StoreCopy {
 public:
  explicit StoreCopy(const StoreBytes& bytes);
  StoreDevices devices();
  StoreBytes bytes() const;
  // Under whoever has the devices open. Requires: the same sizes.
  void set_bytes(const StoreBytes& bytes);

 private:
  std::vector<std::unique_ptr<MemoryDevice>> devices_;
};

enum class Ending {
  kClosed,  // a checkpoint of everything
  kQuiet,   // killed after the journal was sealed
};

struct StoreHistory {
  StoreBytes now;
  std::vector<StoreBytes> before;  // earlier states of the same store, oldest first
  Model model;
};
StoreHistory make_history(std::uint64_t seed, bool is_split, Ending ending);

// What a check of a copy says.
struct CheckVerdict {
  std::optional<Error> fatal;
  std::vector<std::string> findings;
  std::set<DamageKind> kinds;                    // of the findings
  std::map<Uuid, std::set<std::uint32_t>> hurt;  // of live snapshots
  std::set<Uuid> live;

  bool is_clean() const;
};
CheckVerdict check_all(StoreInspection& inspection);
CheckVerdict check_copy(const StoreBytes& bytes);

// Every chunk of every snapshot of the model reads as the model has it or fails, and fails exactly
// where `verdict` says so. Empty: so it is.
std::string wrong_reads(SnapStore& store, StoreDevices devices, const Model& model,
                        const CheckVerdict& verdict);

// Where a test may do damage: every used 4 KiB of metadata, and every slot that has a hash. What
// was written to a snapshot itself has none, and so cannot be found damaged.
struct DamagePlace {
  std::size_t device = 0;
  std::uint64_t offset_bytes = 0;
  std::uint64_t length_bytes = 4096;
};
std::vector<DamagePlace> damage_places(const StoreHistory& history);
// The same place of the journal's second ring, of a place in the first.
std::optional<DamagePlace> twin_of(const StoreHistory& history, const DamagePlace& place);
std::vector<std::byte> bytes_at(const StoreBytes& bytes, const DamagePlace& place);
void put_bytes(StoreBytes& bytes, const DamagePlace& place, std::span<const std::byte> content);

}  // namespace ddsnap::test
