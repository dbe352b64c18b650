// How a batch of requests gets to a file descriptor and back: one after another, by io_uring, or by
// a pool of threads.
//
// Shape     run() returns when every request is done and carries its status. Short transfers are
//           continued and EINTR is retried, so that a request is done whole or failed. The requests
//           are valid for the descriptor (inside the file, aligned where it is O_DIRECT): the
//           device has checked.
// Errors    In the requests only.
// Threads   run() is safe from several threads. The pool's threads and the ring's workers inherit
//           PR_SET_IO_FLUSHER from the thread that makes the engine, so that is set first (T9).
// Lifetime  Borrows fd, name and requests until run() returns; never holds them longer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ddsnap/io/block_device.h"

namespace ddsnap {

// The open file that a batch goes to. `name` is for messages.
struct IoFile {
  int fd = -1;
  const std::string& name;
};

class IoEngine {
 public:
  virtual ~IoEngine() = default;
  virtual void run(const IoFile& file, std::span<IoRequest> requests) = 0;
};

enum class IoEngineKind : std::uint8_t {
  kSync,     // pread and pwrite in the calling thread
  kUring,    // many in flight by io_uring. Without io_uring: kThreads
  kThreads,  // a pool of kIoPoolThreads
};

std::unique_ptr<IoEngine> make_io_engine(IoEngineKind kind);

// Does the rest of one request, of which `done_bytes` are done, by pread or pwrite: what the sync
// engine consists of, and where the others send what was cut short.
Status transfer_rest(const IoFile& file, const IoRequest& request, std::size_t done_bytes);
// The error of a request that failed with this errno.
Status transfer_error(const IoFile& file, const IoRequest& request, int sys_errno);

}  // namespace ddsnap
