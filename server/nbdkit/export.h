// One export, as nbdkit's requests meet it; shared by all connections to it.
//
// Units     Bytes.
// Errors    As the target behind it; kUsage for what the export cannot do.
// Threads   All of it is thread-safe.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/io/block_device.h"
#include "ddsnap/target/origin_target.h"
#include "server/nbdkit/export_name.h"
#include "server/nbdkit/settings.h"

namespace ddsnap {

class Export {
 public:
  virtual ~Export() = default;

  virtual std::uint64_t size_bytes() const = 0;
  virtual std::uint32_t block_bytes() const = 0;
  virtual std::uint32_t chunk_bytes() const = 0;
  virtual bool is_writable() const { return true; }
  virtual const std::string& description() const = 0;

  virtual Status read(std::uint64_t offset_bytes, std::span<std::byte> into) = 0;
  virtual Status write(std::uint64_t offset_bytes, std::span<const std::byte> from,
                       Durability durability) = 0;
  virtual Status write_zeroes(ByteRange range, Durability durability) = 0;
  virtual Status trim(ByteRange range) = 0;
  virtual Status flush() = 0;
  virtual Result<std::vector<Extent>> extents(ByteRange range) = 0;
};

// Attaches; waits for the server as long as the client does.
Result<std::unique_ptr<Export>> open_export(const PluginSettings& settings, const ExportName& name);

}  // namespace ddsnap
