// The userspace origin target: reads and writes the origin, asking the server before the first
// write to a chunk.
//
// Units     Bytes; requests lie on the volume, on the device's blocks.
// Shape     Reads go straight to the origin. Writes pass the WriteGate in pieces of at most
// kMaxWriteChunks, so that no write in flight needs thousands of grants at once.
// Errors    As the origin's device; as the WriteGate. A lost server is none: writes wait (T3).
// Durable   Nothing before flush(), except writes with kFua.
// Threads   All of it is thread-safe.
// Lifetime  The ownership lock of the attachment is on the very descriptor that writes (S8). The
// destructor detaches where the server is there, and never hangs. Requires: no I/O is under way.
#pragma once

#include <memory>
#include <mutex>
#include <span>

#include "ddsnap/target/first_attach.h"
#include "ddsnap/target/owned_device.h"
#include "ddsnap/target/server_link.h"
#include "ddsnap/target/target_options.h"
#include "ddsnap/target/write_gate.h"

namespace ddsnap {

enum class Durability { kLater, kFua };

class OriginTarget final : private LinkHandler, private GateLine {
 public:
  // Returns when attached; see LinkOptions::waits_for_server and ParkingOptions for how long that
  // may take.
  static Result<std::unique_ptr<OriginTarget>> open(TargetOptions options);
  ~OriginTarget() override;

  const ChunkGeometry& geometry() const { return geometry_; }
  const DeviceGeometry& device_geometry() const { return origin_->device().geometry(); }
  const Uuid& store_uuid() const { return store_uuid_; }
  std::string server_address() const { return link_.server_address(); }

  Status read(std::uint64_t offset_bytes, std::span<std::byte> into);
  Status write(std::uint64_t offset_bytes, std::span<const std::byte> from, Durability durability);
  Status write_zeroes(ByteRange range, Durability durability);
  // Advice: only whole chunks that are granted already are passed down (T10).
  Status discard(ByteRange range);
  Status flush();
  Result<std::vector<Extent>> extents(ByteRange range);

  // Parked writes fail now; those to come too, if `for_good` (T3).
  void fail_parked() { parking_.fail_parked(); }
  void fail_for_good() { parking_.fail_all(); }

 private:
  explicit OriginTarget(TargetOptions options);

  Status on_attached(const HelloOkMessage& hello_ok, std::uint64_t generation) override;
  void on_lost() override { gate_->lose(); }
  void on_refused(const Error& error) override;
  Status on_frame(const Frame& frame) override;
  void send_question(const PrepareWriteMessage& question, std::uint64_t request_id) override;
  void send_acknowledgement(const BarrierAckMessage& acknowledgement) override;

  Status attach_first(const HelloOkMessage& hello_ok);
  Status check_same_store(const HelloOkMessage& hello_ok) const;
  // Calls write_piece(ByteRange) for each piece of the range while it is in flight.
  template <class WritePiece>
  Status in_pieces(ByteRange range, WritePiece write_piece);
  Status discard_granted(ChunkRange chunks);

  const TargetOptions options_;
  Parking parking_;
  FirstAttach first_attach_;

  // Set by the link's thread at the first attach, before open() returns; constant from then on.
  ChunkGeometry geometry_;
  Uuid store_uuid_;
  std::unique_ptr<OwnedDevice> origin_;
  std::unique_ptr<WriteGate> gate_;

  // The link's thread alone, at every attach; read by senders through the gate's lock, which
  // open() passes after it was set.
  std::uint64_t generation_ = 0;

  ServerLink link_;  // last: its thread uses all of the above
};

}  // namespace ddsnap
