// Ceph's stream of the difference between two snapshots of an RBD image, in both of its versions.
//
// Units     Bytes of the image.
// Shape     A banner; metadata (names of the snapshots, size); records of data and of zeros; an
// end.
//           The writer joins what touches, up to kRbdRecordBytes of data. The reader wants records
//           in order and without overlap, as Ceph's own merge-diff does. DELTA.md, section 8.
// Errors    Reader: kDamaged for anything that is no such stream. There is no checksum in it, so a
//           flipped bit of data cannot be found. Both: as source and sink say.
// Threads   None inside.
// Lifetime  Borrow source and sink.
// Source    doc/dev/rbd-diff.rst of Ceph.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/delta/byte_stream.h"

namespace ddsnap {

enum class RbdVersion : std::uint8_t { kV1 = 1, kV2 = 2 };
// "rbd-diff-v1", "rbd-diff-v2"; kUsage for anything else.
Result<RbdVersion> parse_rbd_version(std::string_view text);

struct RbdMetadata {
  std::optional<std::string> from_snap;  // none: from nothing at all
  std::optional<std::string> to_snap;    // none: to the image as it was then
  std::uint64_t size_bytes = 0;          // of the newer image
};

class RbdWriter {
 public:
  RbdWriter(ByteSink& sink, RbdVersion version) : sink_(sink), version_(version) {}

  Status begin(const RbdMetadata& metadata);
  // Requires of both: behind everything that was written before; not empty.
  Status write_data(std::uint64_t offset_bytes, std::span<const std::byte> data);
  Status write_zeros(ByteRange range);
  // Does not finish the sink.
  Status end();

 private:
  Status flush();
  void append_tag(std::vector<std::byte>& out, char tag, std::uint64_t payload_bytes) const;

  ByteSink& sink_;
  const RbdVersion version_;
  ByteRange pending_;            // not written yet
  std::vector<std::byte> data_;  // of it; empty: zeros
};

struct RbdRecord {
  ByteRange range;
  bool is_zero = false;
};

class RbdReader {
 public:
  // Reads banner and metadata.
  static Result<RbdReader> open(ByteSource& source);

  RbdVersion version() const { return version_; }
  const RbdMetadata& metadata() const { return metadata_; }
  // Nothing at the end of the stream, which is the end of the source too. Data of the record before
  // that was not read is skipped.
  Result<std::optional<RbdRecord>> next();
  // The next bytes of the record's data. Requires: it has so many left.
  Status read_data(std::span<std::byte> into);

 private:
  explicit RbdReader(ByteSource& source) : source_(&source) {}
  Status read_metadata();
  Status read_one_metadata(char tag);
  Result<std::string> read_name(std::uint64_t payload_bytes);
  Result<std::uint64_t> read_u64();
  Result<std::uint64_t> read_payload_bytes(std::uint64_t in_v1);
  Status skip(std::uint64_t count_bytes);

  ByteSource* source_;
  RbdVersion version_ = RbdVersion::kV1;
  RbdMetadata metadata_;
  char tag_ = 0;  // read ahead
  std::uint64_t data_left_bytes_ = 0;
  std::uint64_t free_from_bytes_ = 0;
};

}  // namespace ddsnap
