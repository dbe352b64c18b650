// The compressors of a delta: none, zlib, lz4, zstd, and zstd against old content.
//
// Units     Bytes; a level as its codec counts (zlib 0..9, lz4 1..12, zstd 1..19).
// Shape     Contexts are kept from call to call; one Compressor or Decompressor a thread.
// Errors    decompress: kDamaged unless the payload gives exactly the bytes asked for.
// Threads   None inside.
// Source    zlib (RFC 1950), LZ4 blocks, Zstandard (RFC 8878); the difference is a Zstandard frame
//           whose window begins with the old content (ZSTD_CCtx_refPrefix).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnap/base/result.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace ddsnap {

// How a frame's content is stored. Written out: values are on disk.
enum class Encoding : std::uint8_t {
  kStored = 1,
  kZlib = 2,
  kLz4 = 3,
  kZstd = 4,
  kZstdDifference = 5,  // against the old content of the frame's own chunks (D3)
};
const char* name_of(Encoding encoding);

enum class Codec : std::uint8_t { kNone = 1, kZlib = 2, kLz4 = 3, kZstd = 4 };
const char* name_of(Codec codec);

struct CodecChoice {
  Codec codec = Codec::kZstd;
  int level = 3;
};

// "none", "zlib", "zstd:9": a codec's name and perhaps a level. kUsage for anything else.
Result<CodecChoice> parse_codec(std::string_view text);

class Compressor {
 public:
  explicit Compressor(CodecChoice choice);
  ~Compressor();
  Encoding encoding() const;

  // Puts the compressed content in the front of `into` and tells its length; 0: it has no room
  // there.
  Result<std::size_t> compress_into(std::span<const std::byte> content, std::span<std::byte> into);
  // The same. Always zstd; the prefix is what decompress() will be given again.
  Result<std::size_t> compress_difference_into(std::span<const std::byte> content,
                                               std::span<const std::byte> prefix,
                                               std::span<std::byte> into);
  // The content compressed, or nothing when it does not get smaller.
  Result<std::vector<std::byte>> compress(std::span<const std::byte> content);
  Result<std::vector<std::byte>> compress_difference(std::span<const std::byte> content,
                                                     std::span<const std::byte> prefix);

 private:
  struct FreeContext {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  Result<std::size_t> compress_zstd(std::span<const std::byte> content,
                                    std::span<const std::byte> prefix, int level,
                                    std::span<std::byte> into);

  CodecChoice choice_;
  std::unique_ptr<ZSTD_CCtx_s, FreeContext> context_;
};

class Decompressor {
 public:
  Decompressor();
  ~Decompressor();

  // Fills `content` exactly. The prefix matters to kZstdDifference alone.
  Status decompress(Encoding encoding, std::span<const std::byte> payload,
                    std::span<const std::byte> prefix, std::span<std::byte> content);

 private:
  struct FreeContext {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, FreeContext> context_;
};

}  // namespace ddsnap
