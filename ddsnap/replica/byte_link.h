// What carries the bytes of a channel, one step at a time and without ever waiting: a pair of
// descriptors here, TLS in tls_link.h.
//
// Errors    kDisconnected when the other side is gone or has said all it had to say; kIo.
// Threads   One at a time.
// Lifetime  Owns its descriptors.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

struct KnownSender;

class ByteLink {
 public:
  virtual ~ByteLink() = default;

  struct Step {
    std::size_t bytes = 0;  // 0: nothing could be done before poll(2) tells `wants`
    short wants = 0;        // POLLIN or POLLOUT
  };
  // Requires: the span is not empty.
  virtual Result<Step> read_some(std::span<std::byte> into) = 0;
  virtual Result<Step> write_some(std::span<const std::byte> from) = 0;
  // The other side finds the end once it has read everything. Best effort.
  virtual void end_writing() = 0;

  // Whose key the other side has used; null: there are none. Lives as long as this.
  virtual const KnownSender* sender() const { return nullptr; }

  virtual int read_fd() const = 0;
  virtual int write_fd() const = 0;
};

// A connected socket.
Result<std::unique_ptr<ByteLink>> make_socket_link(UniqueFd socket);
// Two pipes, as of a child process, or our own standard input and output.
Result<std::unique_ptr<ByteLink>> make_pipe_link(UniqueFd from, UniqueFd to);

}  // namespace ddsnap
