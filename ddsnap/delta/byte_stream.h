// Where streams of bytes go to and come from: a file, a pipe (`-`), memory.
//
// Units     Bytes.
// Errors    As the file descriptor says, with the stream's name. A sink that failed stays useless.
// Threads   None inside; the caller serialises.
// Lifetime  A file sink is seen under its name only after finish() succeeded; without it nothing
//           remains.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/result.h"

namespace ddsnap {

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status write(std::span<const std::byte> bytes) = 0;
  // All was written: a file becomes durable and takes its name.
  virtual Status finish() = 0;
};

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // At least one byte, or 0 at the end. Requires: `into` is not empty.
  virtual Result<std::size_t> read(std::span<std::byte> into) = 0;
  // Whether rewind() works: files and memory, not pipes.
  virtual bool can_rewind() const = 0;
  // Back to where the source began.
  virtual Status rewind() = 0;
  // To so many bytes behind where the source began. Requires: can_rewind().
  virtual Status seek_to(std::uint64_t offset_bytes);
  // For messages.
  virtual const std::string& name() const = 0;
};

// Fills `into`, or kDamaged ("ends early") when the source has less.
Status read_fully(ByteSource& source, std::span<std::byte> into);
// The next `length_bytes` bytes. Memory grows with what arrives, not with what was announced (D4).
Result<std::vector<std::byte>> read_section(ByteSource& source, std::uint64_t length_bytes);
// kDamaged when the source has bytes left.
Status expect_end(ByteSource& source);

// `path` may be "-" for standard input or output. An existing name that is no regular file (a
// pipe, a tape) is written in place.
Result<std::unique_ptr<ByteSink>> open_sink(const std::string& path);
// `interruption` ends the wait for a pipe; it may be null, and lives as long as the source.
Result<std::unique_ptr<ByteSource>> open_source(const std::string& path,
                                                const Interruption* interruption = nullptr);

// The source itself where it can be read twice; else all that it has, in a file without a name in
// the folder of `near_path` ("-": of temporary files), which goes away with the result.
Result<std::unique_ptr<ByteSource>> make_rewindable(std::unique_ptr<ByteSource> source,
                                                    const std::string& near_path);

class MemorySink final : public ByteSink {
 public:
  Status write(std::span<const std::byte> bytes) override;
  Status finish() override { return {}; }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// Borrows the bytes for its life. `can_rewind` false makes it behave as a pipe.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes, bool can_rewind = true)
      : bytes_(bytes), can_rewind_(can_rewind) {}
  Result<std::size_t> read(std::span<std::byte> into) override;
  bool can_rewind() const override { return can_rewind_; }
  Status rewind() override;
  Status seek_to(std::uint64_t offset_bytes) override;
  const std::string& name() const override { return name_; }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool can_rewind_;
  std::string name_ = "(memory)";
};

}  // namespace ddsnap
