// Takes windows to the target: written by threads of their own, two under way at once, so that the
// device has work while the next record is stored.
//
// Shape     start() a window whose record is durable; finish() until at most so many are under way.
//           A window is flushed only after the one before is durable, so that no flush can take the
//           blame for what another wrote (S10).
// Errors    As the target says, from finish(), in the order of windows. After one, what is under
//           way may be on the target or not.
// Threads   Called by one. With no workers nothing runs beside the caller: start() writes, finish()
//           flushes.
// Lifetime  Borrows the target. Its end waits for what is under way.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/apply_window.h"
#include "ddsnap/delta/chunk_io.h"

namespace ddsnap {

inline constexpr std::size_t kMaxWindowsInDoubt = 2;  // named by one record
inline constexpr std::size_t kFirstWindowPart = 8;
inline constexpr std::size_t kMaxSavedTwiceBytes = 12u << 20;  // of a window, so as not to wait

class WindowWriter {
 public:
  WindowWriter(const ChunkIo& target, bool has_threads)
      : target_(target), has_threads_(has_threads) {}

  WindowWriter(const WindowWriter&) = delete;
  WindowWriter& operator=(const WindowWriter&) = delete;
  ~WindowWriter();

  // `record` borrows the content of the frames.
  Status start(std::vector<DecodedFrame> frames, ApplyWindow record);
  // Calls `done` with each frame that is durable now; its buffer may be taken.
  Status finish(std::size_t most_under_way, const std::function<void(DecodedFrame&)>& done);

  // The record of all that is under way; none where nothing is.
  std::optional<ApplyWindow> record() const;
  const WrittenChunks& written() const { return written_; }

 private:
  struct Window {
    std::vector<DecodedFrame> frames;
    ApplyWindow record;
    WrittenChunks written = {};
    std::shared_future<Status> durable = {};
  };

  ChunkIo target_;
  const bool has_threads_;
  WrittenChunks written_;
  std::deque<Window> under_way_;  // addresses are stable at both ends
};

}  // namespace ddsnap
