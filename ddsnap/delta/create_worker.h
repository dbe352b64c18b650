// The middle stage of making a delta: hashes and compares the chunks of a job, and packs them into
// frames.
//
// Units     Chunks of the delta's newer side.
// Shape     A frame is full when its content or its table is. Content is packed in place, so it is
//           copied only where chunks before it fell away.
// Errors    kFailed, naming the chunks, where a device does not hold what the list says.
// Threads   None inside; one worker a thread.
// Lifetime  Borrows header and names.
#pragma once

#include <span>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/create_job.h"
#include "ddsnap/delta/delta_header.h"
#include "ddsnap/delta/frame_encoder.h"

namespace ddsnap {

// For messages: where content came from.
struct CreateSources {
  std::string from_name;
  std::string to_name;
};

class CreateWorker {
 public:
  CreateWorker(const DeltaHeader& header, CodecChoice codec, const CreateSources& sources)
      : header_(header),
        sources_(sources),
        chunk_bytes_(header.to_geometry().chunk_bytes()),
        encoder_(header.mode, codec) {}

  Status work(CreateJob& job);

 private:
  struct Wrong;  // what contradicts the list
  // What of the job's buffers is packed already.
  struct Packed {
    std::size_t frame_begin = 0;  // of the frame that is being filled
    std::size_t end = 0;
    std::size_t old_frame_begin = 0;
    std::size_t old_end = 0;
    bool may_differ = true;  // nothing in the frame has unknown old content
  };

  FrameEntry look_at(const CreateItem& item, std::span<const std::byte> content,
                     std::span<std::byte> old_content, Wrong& wrong) const;
  void set_before(FrameEntry& entry, const CreateItem& item, std::span<std::byte> old_content,
                  Wrong& wrong) const;
  ContentKind kind_of(const FrameEntry& entry, std::span<const std::byte> content,
                      std::span<const std::byte> old_content) const;
  Status add_run(CreateJob& job, FrameEntry run);
  Status add(CreateJob& job, const FrameEntry& entry, std::span<const std::byte> content,
             std::span<const std::byte> old_content);
  Status end_frame(CreateJob& job);

  const DeltaHeader& header_;
  const CreateSources& sources_;
  const std::size_t chunk_bytes_;
  FrameEncoder encoder_;
  DeltaFrame frame_;  // that is being filled
  Packed packed_;
};

}  // namespace ddsnap
