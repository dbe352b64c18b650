// Many requests in flight from one thread, by io_uring.
//
// Shape     Up to kIoQueueDepth of a batch are in flight at once; the rest follows as they
// complete.
//           What completes short, or with EINTR or EAGAIN, is rare and finished synchronously. When
//           the ring itself fails, what the kernel has not taken, and everything later, is done
//           synchronously too.
// Errors    make() returns what io_uring_setup says: EPERM or ENOSYS where it is not to be had.
// Threads   The caller serialises run(); it need not be one and the same thread.
#pragma once

#include <liburing.h>

#include <memory>

#include "ddsnap/io/io_engine.h"

namespace ddsnap {

class UringEngine final : public IoEngine {
 public:
  static Result<std::unique_ptr<UringEngine>> make();
  ~UringEngine() override;

  void run(const IoFile& file, std::span<IoRequest> requests) override;

 private:
  struct Progress {
    std::size_t prepared = 0;   // entries made, in the order of the batch
    std::size_t submitted = 0;  // of them the kernel has taken so many
    std::size_t completed = 0;
  };

  UringEngine() = default;
  void prepare_more(const IoFile& file, std::span<IoRequest> requests, Progress& progress);
  bool submit_and_wait(Progress& progress);
  void reap(const IoFile& file, std::span<IoRequest> requests, Progress& progress);
  void give_up(const IoFile& file, std::span<IoRequest> requests, Progress& progress);

  io_uring ring_{};
  bool is_open_ = false;
};

}  // namespace ddsnap
