#include "ddsnap/delta/codec.h"

#include <fmt/format.h>
#include <lz4.h>
#include <lz4hc.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

struct CodecFacts {
  Codec codec;
  Encoding encoding;
  const char* name;
  int lowest_level;
  int highest_level;
  int default_level;
};

constexpr CodecFacts kCodecs[] = {
    {Codec::kNone, Encoding::kStored, "none", 0, 0, 0},
    {Codec::kZlib, Encoding::kZlib, "zlib", 1, 9, 6},
    {Codec::kLz4, Encoding::kLz4, "lz4", 1, 12, 1},
    {Codec::kZstd, Encoding::kZstd, "zstd", 1, 19, 3},
};

const CodecFacts& facts_of(Codec codec) {
  return kCodecs[static_cast<std::size_t>(codec) - 1];
}

const char* chars(std::span<const std::byte> bytes) {
  return reinterpret_cast<const char*>(bytes.data());
}
char* chars(std::span<std::byte> bytes) {
  return reinterpret_cast<char*>(bytes.data());
}

using Length = Result<std::size_t>;

Length compress_zlib(std::span<const std::byte> content, int level, std::span<std::byte> into) {
  uLongf out_bytes = into.size();
  const int result =
      ::compress2(reinterpret_cast<Bytef*>(into.data()), &out_bytes,
                  reinterpret_cast<const Bytef*>(content.data()), content.size(), level);
  if (result == Z_BUF_ERROR) return 0;
  if (result != Z_OK) return fail(ErrorCode::kFailed, "zlib cannot compress");
  return out_bytes;
}

Length compress_lz4(std::span<const std::byte> content, int level, std::span<std::byte> into) {
  const int in_bytes = static_cast<int>(content.size());
  const int room_bytes = static_cast<int>(into.size());
  const int out_bytes =
      level < LZ4HC_CLEVEL_MIN
          ? LZ4_compress_default(chars(content), chars(into), in_bytes, room_bytes)
          : LZ4_compress_HC(chars(content), chars(into), in_bytes, room_bytes, level);
  return static_cast<std::size_t>(std::max(out_bytes, 0));  // 0: it did not fit
}

// In a long frame the tables of a quick level are soon full of what lies near.
void look_far(ZSTD_CCtx* context, std::size_t window_bytes) {
  const int window_log = static_cast<int>(std::bit_width(window_bytes - 1));
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1);
  // One place in 32 is remembered, with room for all (a quarter of the window's size): a table that
  // overflows forgets the old content. Shorter matches and more places make a package upgrade no
  // smaller, and are slower.
  ZSTD_CCtx_setParameter(context, ZSTD_c_ldmMinMatch, 64);
  ZSTD_CCtx_setParameter(context, ZSTD_c_ldmHashRateLog, 5);
  ZSTD_CCtx_setParameter(context, ZSTD_c_ldmHashLog, window_log - 5);
}

bool is_exact_zlib(std::span<const std::byte> payload, std::span<std::byte> content) {
  uLongf out_bytes = content.size();
  uLong in_bytes = payload.size();
  const int result = ::uncompress2(reinterpret_cast<Bytef*>(content.data()), &out_bytes,
                                   reinterpret_cast<const Bytef*>(payload.data()), &in_bytes);
  return result == Z_OK && out_bytes == content.size() && in_bytes == payload.size();
}

bool is_exact_lz4(std::span<const std::byte> payload, std::span<std::byte> content) {
  const int out_bytes =
      LZ4_decompress_safe(chars(payload), chars(content), static_cast<int>(payload.size()),
                          static_cast<int>(content.size()));
  return out_bytes >= 0 && static_cast<std::size_t>(out_bytes) == content.size();
}

}  // namespace

const char* name_of(Encoding encoding) {
  if (encoding == Encoding::kZstdDifference) return "zstd-difference";
  if (encoding == Encoding::kStored) return "stored";
  return facts_of(static_cast<Codec>(encoding)).name;
}

const char* name_of(Codec codec) {
  return facts_of(codec).name;
}

Result<CodecChoice> parse_codec(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto facts = std::find_if(std::begin(kCodecs), std::end(kCodecs),
                                  [&](const CodecFacts& known) { return name == known.name; });
  if (facts == std::end(kCodecs))
    return fail(ErrorCode::kUsage,
                fmt::format("'{}' is no codec; known are none, zlib, lz4 and zstd", name));
  CodecChoice choice{facts->codec, facts->default_level};
  if (colon == std::string_view::npos) return choice;
  const std::string_view level = text.substr(colon + 1);
  const char* const begin = level.data();
  const char* const end = begin + level.size();
  const auto parsed = std::from_chars(begin, end, choice.level);
  if (parsed.ec != std::errc{} || parsed.ptr != end || choice.level < facts->lowest_level ||
      choice.level > facts->highest_level)
    return fail(ErrorCode::kUsage, fmt::format("'{}' is no level of {}, which has {} to {}", level,
                                               name, facts->lowest_level, facts->highest_level));
  return choice;
}

Compressor::Compressor(CodecChoice choice) : choice_(choice), context_(ZSTD_createCCtx()) {
  DD_CHECK(context_ != nullptr);
}
Compressor::~Compressor() = default;
void Compressor::FreeContext::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

Encoding Compressor::encoding() const {
  return facts_of(choice_.codec).encoding;
}

Length Compressor::compress_into(std::span<const std::byte> content, std::span<std::byte> into) {
  switch (choice_.codec) {
    case Codec::kNone:
      break;
    case Codec::kZlib:
      return compress_zlib(content, choice_.level, into);
    case Codec::kLz4:
      return compress_lz4(content, choice_.level, into);
    case Codec::kZstd:
      return compress_zstd(content, {}, choice_.level, into);
  }
  return 0;
}

Length Compressor::compress_difference_into(std::span<const std::byte> content,
                                            std::span<const std::byte> prefix,
                                            std::span<std::byte> into) {
  const int level =
      choice_.codec == Codec::kZstd ? choice_.level : facts_of(Codec::kZstd).default_level;
  return compress_zstd(content, prefix, level, into);
}

Length Compressor::compress_zstd(std::span<const std::byte> content,
                                 std::span<const std::byte> prefix, int level,
                                 std::span<std::byte> into) {
  ZSTD_CCtx* const context = context_.get();
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  if (!prefix.empty()) {
    // The window must reach from the last byte back over all the old content.
    const int window_log = static_cast<int>(std::bit_width(content.size() + prefix.size()));
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, std::max(window_log, 10));
    ZSTD_CCtx_refPrefix(context, prefix.data(), prefix.size());
  }
  if (content.size() > kMaxFrameDataBytes) look_far(context, content.size() + prefix.size());
  const std::size_t result =
      ZSTD_compress2(context, into.data(), into.size(), content.data(), content.size());
  if (!ZSTD_isError(result)) return result;
  if (ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall) return 0;
  return fail(ErrorCode::kFailed,
              fmt::format("zstd cannot compress: {}", ZSTD_getErrorName(result)));
}

Result<std::vector<std::byte>> Compressor::compress(std::span<const std::byte> content) {
  std::vector<std::byte> out(content.empty() ? 0 : content.size() - 1);
  out.resize(DD_TRY(compress_into(content, out)));
  return out;
}

Result<std::vector<std::byte>> Compressor::compress_difference(std::span<const std::byte> content,
                                                               std::span<const std::byte> prefix) {
  std::vector<std::byte> out(content.empty() ? 0 : content.size() - 1);
  out.resize(DD_TRY(compress_difference_into(content, prefix, out)));
  return out;
}

Decompressor::Decompressor() : context_(ZSTD_createDCtx()) {
  DD_CHECK(context_ != nullptr);
}
Decompressor::~Decompressor() = default;
void Decompressor::FreeContext::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

Status Decompressor::decompress(Encoding encoding, std::span<const std::byte> payload,
                                std::span<const std::byte> prefix, std::span<std::byte> content) {
  bool is_exact = false;
  switch (encoding) {
    case Encoding::kStored:
      is_exact = payload.size() == content.size();
      if (is_exact && !payload.empty()) std::memcpy(content.data(), payload.data(), payload.size());
      break;
    case Encoding::kZlib:
      is_exact = is_exact_zlib(payload, content);
      break;
    case Encoding::kLz4:
      is_exact = is_exact_lz4(payload, content);
      break;
    case Encoding::kZstd:
    case Encoding::kZstdDifference:
      ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_and_parameters);
      if (encoding == Encoding::kZstdDifference)
        ZSTD_DCtx_refPrefix(context_.get(), prefix.data(), prefix.size());
      is_exact = ZSTD_decompressDCtx(context_.get(), content.data(), content.size(), payload.data(),
                                     payload.size()) == content.size();
      break;
  }
  if (is_exact) return {};
  return fail(ErrorCode::kDamaged, "its content does not decompress to what it announces");
}

}  // namespace ddsnap
