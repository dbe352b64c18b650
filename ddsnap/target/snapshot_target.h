// The userspace snapshot target: a snapshot to read and to write, from the origin and the
// snapstore.
//
// Units     Bytes; requests lie on the volume, on blocks of device_geometry().
// Shape     Reads: what is not known to be in the snapstore is read from the origin first, then
// the server is asked where it lives ("read first, ask after", T5): "origin" proves what was read,
// a slot means read that instead. Known slots are cached (T6). Writes go in place to private slots
// that the server hands out.
//
//     cached? ---yes------------------------------+
//        | no                                     v
//     read origin -> LOCATE -> origin: done    read slots, check hashes; line still up? done
//                           -> slot ------------^                    | no: again from the start
//
// Errors    kDamaged for a slot whose content is not what its hash says; kDropped for ever after
// the server gave the snapshot up, kNotFound when it came back without it; kNoSpace for writes; a
// failed origin read only after the server said that it counts. A lost server is none (T3).
// Durable   Writes after flush().
// Threads   All of it is thread-safe.
// Lifetime  The ownership lock of the attachment is on the snapstore's descriptor (S8). The
// destructor detaches where the server is there, and never hangs. Requires: no I/O is under way.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/target/first_attach.h"
#include "ddsnap/target/io_tickets.h"
#include "ddsnap/target/locate_questions.h"
#include "ddsnap/target/owned_device.h"
#include "ddsnap/target/server_link.h"
#include "ddsnap/target/slot_cache.h"
#include "ddsnap/target/slot_reader.h"
#include "ddsnap/target/target_options.h"

namespace ddsnap {

class SnapshotTarget final : private LinkHandler {
 public:
  static Result<std::unique_ptr<SnapshotTarget>> open(TargetOptions options);
  ~SnapshotTarget() override;

  const ChunkGeometry& geometry() const { return slots_.geometry; }
  const DeviceGeometry& device_geometry() const { return device_geometry_; }
  const Uuid& snapshot_uuid() const { return snapshot_uuid_; }
  const std::string& tag() const { return options_.link.tag; }
  std::string server_address() const { return link_.server_address(); }

  Status read(std::uint64_t offset_bytes, std::span<std::byte> into);
  // Many reads at once: one question covers many of them, and so does one batch of either device.
  // Stops at the first that fails; requests carry no status.
  Status read_all(std::span<const IoRequest> reads);
  // Learns where these lie, if they are in the snapstore, by as few questions as possible: then
  // reading them reads nothing from the origin first. Advice, so a lost line is no error.
  Status look_up(std::span<const ByteRange> ranges);
  Status write(std::uint64_t offset_bytes, std::span<const std::byte> from);
  Status flush();
  // kZero where the server knows of zeros; nothing is read.
  Result<std::vector<Extent>> extents(ByteRange range);

  // Parked I/O fails now; all to come too, if `for_good` (T3).
  void fail_parked() { parking_.fail_parked(); }
  void fail_for_good() { parking_.fail_all(); }

 private:
  // The line as one request found it; what it learns is proven only while that holds.
  struct Footing {
    std::uint64_t generation = 0;
    IoTickets::Sequence orders = 0;
  };
  enum class Outcome { kDone, kAgain };
  struct PendingAck {
    IoTickets::Sequence order = 0;
    std::optional<std::uint64_t> invalidation;  // none: DROPPED
  };

  explicit SnapshotTarget(TargetOptions options);

  Status on_attached(const HelloOkMessage& hello_ok, std::uint64_t generation) override;
  void on_lost() override;
  void on_refused(const Error& error) override;
  Status on_frame(const Frame& frame) override;
  Status attach_first(const HelloOkMessage& hello_ok);
  Status on_located(const Frame& frame);
  void on_invalidate(const InvalidateMessage& invalidate);
  void on_dropped();
  void refuse(const Error& error);

  Result<Footing> wait_for_line(const Parking::Stay& stay);
  // What the cache knows of each chunk; kNowhere stands for nothing.
  std::vector<LocatedEntry> recall(ChunkRange chunks);
  template <class Question>
  Result<std::vector<LocatedEntry>> ask(std::vector<ChunkRange> ranges, const Footing& footing,
                                        const Parking::Stay& stay);
  // What a read asks for, cut so that one question can cover it.
  struct Piece {
    std::uint64_t offset_bytes = 0;
    std::span<std::byte> into;
  };
  Status read_pieces(std::span<const Piece> pieces, const Parking::Stay& stay);
  Result<Outcome> try_read(const Footing& footing, std::span<const Piece> pieces,
                           const Parking::Stay& stay);
  ChunkRange chunks_of(const Piece& piece) const {
    return geometry().chunks_touching({piece.offset_bytes, piece.into.size()});
  }
  Result<Outcome> try_write(const Footing& footing, std::uint64_t offset_bytes,
                            std::span<const std::byte> from, const Parking::Stay& stay);
  // Runs `io` with a ticket, unless the footing is gone; kAgain when it is gone afterwards.
  template <class SlotIo>
  Result<Outcome> on_footing(const Footing& footing, SlotIo io);
  void acknowledge_what_is_due();  // under mutex_
  std::uint32_t piece_chunks() const;
  Status check_range(ByteRange bytes) const;

  const TargetOptions options_;
  Parking parking_;
  FirstAttach first_attach_;
  LocateQuestions questions_;

  // Set by the link's thread at the first attach, before open() returns; constant from then on.
  bool is_set_up_ = false;
  Uuid store_uuid_;
  Uuid snapshot_uuid_;
  DeviceGeometry device_geometry_;
  std::unique_ptr<OwnedDevice> origin_;
  std::unique_ptr<OwnedDevice> snapstore_;
  SlotGeometry slots_;

  std::mutex mutex_;  // everything below
  std::condition_variable changed_;
  bool is_up_ = false;
  std::uint64_t generation_ = 0;
  std::optional<Error> refusal_;
  SlotCache cache_;
  IoTickets tickets_;
  std::deque<PendingAck> pending_acks_;

  ServerLink link_;  // last: its thread uses all of the above
};

}  // namespace ddsnap
