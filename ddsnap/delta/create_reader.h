// The first stages of making a delta: walk the changelist, and read what it names from the devices.
//
// Units     Chunks of the list.
// Shape     Each job takes as many chunks as its buffers hold; adjacent chunks are one read, all
//           reads of a job are in flight at once. Holes of the newer device are not read, and where
//           nothing older is known cost the same at any length.
// Errors    As the devices; kInterrupted while a rate limit makes it wait.
// Threads   plan() from one thread at a time; read() beside it and itself, each with its own job.
// Lifetime  Borrows everything for its life.
#pragma once

#include <optional>
#include <vector>

#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/create_job.h"
#include "ddsnap/delta/delta_header.h"
#include "ddsnap/delta/hole_map.h"

namespace ddsnap {

class CreateReader {
 public:
  // `from` is null where no old content is wanted. In reverse, the hashes that the list knows are
  // of the newer side of the delta.
  CreateReader(const Changelist& list, const DeltaHeader& header, BlockDevice* from,
               BlockDevice& to, bool is_reverse, std::size_t job_bytes, WorkContext& context);

  // What the job is to deal with. False: there is nothing left.
  Result<bool> plan(CreateJob& job);
  // The content of what was planned.
  Status read(CreateJob& job);

 private:
  Status add_items(CreateJob& job);
  Status look_ahead();
  void add_hole(CreateJob& job, ChunkRange chunks);
  void add_chunk(CreateJob& job, bool is_hole);
  bool is_full(const CreateJob& job) const;

  const DeltaHeader& header_;
  const bool knows_hashes_;
  const bool is_reverse_;
  const std::size_t chunk_bytes_;
  const std::size_t job_chunks_;
  WorkContext& context_;
  ChangelistCursor cursor_;
  std::optional<ChunkIo> from_;
  ChunkIo to_;
  HoleMap holes_;
  std::uint64_t told_until_ = 0;  // chunks below this were told to the devices
};

}  // namespace ddsnap
