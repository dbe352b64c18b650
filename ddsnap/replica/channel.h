// Bytes to and from another machine, with an end to every wait.
//
// Units     Bytes; milliseconds.
// Shape     While write() waits for the other side to take something, it takes in what arrives, up
//           to kMaxSessionAheadBytes: two sides that write at once do not wait for each other.
// Errors    kDisconnected when the other side is gone; kBusy when it was too slow: it has
//           `patience_ms`, and one second more for each kMinSessionBytesPerSecond bytes;
//           kInterrupted.
// Threads   One at a time.
// Lifetime  Owns the link; borrows the interruption.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/base/rate_limit.h"
#include "ddsnap/base/result.h"
#include "ddsnap/replica/byte_link.h"
#include "ddsnap/wire/deadline.h"

namespace ddsnap {

struct ChannelOptions {
  std::uint64_t patience_ms = kSessionPatience_ms;
  RateLimit rate_limit = {};                   // of what we send
  const Interruption* interruption = nullptr;  // null: nothing interrupts
};

class Channel {
 public:
  // `peer` is what messages call the other side.
  Channel(std::unique_ptr<ByteLink> link, std::string peer, const ChannelOptions& options);
  Channel(const Channel&) = delete;

  Status write(std::span<const std::byte> bytes);
  // Fills it.
  Status read(std::span<std::byte> into);
  // As read(), and nothing when the other side ended before the first byte.
  Result<bool> read_or_end(std::span<std::byte> into);
  // Whether bytes are there that read() would not wait for.
  bool has_input();
  // Says that nothing more comes, and reads until the other side does the same, for a short while:
  // a connection that is closed while bytes come in takes what was sent with it.
  void finish();

  void set_patience_ms(std::uint64_t patience_ms) { options_.patience_ms = patience_ms; }
  const std::string& peer() const { return peer_; }
  std::uint64_t sent_bytes() const { return sent_bytes_; }
  std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  Deadline deadline_for(std::size_t bytes) const;
  // Whether something was taken in.
  bool take_in();
  std::size_t take_buffered(std::span<std::byte> into);
  Status wait(short wants, bool takes_in, Deadline deadline);
  std::unexpected<Error> named(Error error) const;

  std::unique_ptr<ByteLink> link_;
  const std::string peer_;
  const Interruption never_;
  ChannelOptions options_;
  std::vector<std::byte> ahead_;  // taken in and not read yet, from ahead_at_ on
  std::size_t ahead_at_ = 0;
  std::optional<Error> end_;  // why nothing more comes in
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t received_bytes_ = 0;
};

}  // namespace ddsnap
