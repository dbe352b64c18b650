// Makes a copy equal to a snapshot with nothing in common but their size: the other side sends the
// hashes of its windows, and gets of each what differs.
//
// Units     Chunks.
// Shape     Each side reads its volume once, window after window; the hashes run ahead of what they
//           are answered with (hash_windows_ahead()), so it takes few round trips. What differs is
//           sent out of the memory that was hashed.
// Errors    As devices and session say.
// Threads   Those of the context for each window that differs, ended with it.
// Lifetime  Borrows everything for its life.
#pragma once

#include <functional>

#include "ddsnap/base/random.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/codec.h"
#include "ddsnap/io/block_device.h"
#include "ddsnap/replica/hash_window.h"
#include "ddsnap/replica/message_stream.h"

namespace ddsnap {

class ResyncSender {
 public:
  ResyncSender(MessageStream& stream, const StartSession& start, BlockDevice& device,
               CodecChoice codec, RandomSource& random, WorkContext& context);

  // From START to the last window; `sent` is told of each that differed.
  Status run(const std::function<void(const Changelist&)>& sent);
  std::uint64_t windows() const { return windows_; }

 private:
  Result<Changelist> differences(const HashesSession& theirs);

  MessageStream& stream_;
  const StartSession& start_;
  BlockDevice& device_;
  const CodecChoice codec_;
  RandomSource& random_;
  WorkContext& context_;
  HashWindow window_;
  std::uint64_t windows_ = 0;  // that were sent
};

}  // namespace ddsnap
