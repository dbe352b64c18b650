#include "ddsnap/base/size_text.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <ctime>

#include "ddsnap/base/units.h"

namespace ddsnap {

namespace {

// How far K, M, G or T shifts; 0 for anything else.
unsigned unit_shift(char unit) {
  switch (unit) {
    case 'k':
    case 'K':
      return 10;
    case 'm':
    case 'M':
      return 20;
    case 'g':
    case 'G':
      return 30;
    case 't':
    case 'T':
      return 40;
    default:
      return 0;
  }
}

std::unexpected<Error> bad_size(std::string_view text) {
  return fail(ErrorCode::kUsage,
              fmt::format("'{}' is not a size: digits, then perhaps K, M, G or T", text));
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  std::string_view digits = text;
  const unsigned shift = text.empty() ? 0 : unit_shift(text.back());
  if (shift != 0) digits.remove_suffix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return bad_size(text);
  if ((value << shift) >> shift != value) return bad_size(text);
  return value << shift;
}

Result<unsigned> parse_chunk_size(std::string_view text) {
  const std::uint64_t bytes = DD_TRY(parse_size(text));
  if (!std::has_single_bit(bytes) || bytes < std::uint64_t{1} << kMinChunkShift ||
      bytes > std::uint64_t{1} << kMaxChunkShift)
    return fail(ErrorCode::kUsage, fmt::format("chunk size {} is not a power of two from {} to {}",
                                               text, 1u << kMinChunkShift, 1u << kMaxChunkShift));
  return static_cast<unsigned>(std::countr_zero(bytes));
}

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 999.5) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string utc_time(std::uint64_t since_1970_ns) {
  if (since_1970_ns == 0) return "-";
  const auto seconds = static_cast<std::time_t>(since_1970_ns / 1'000'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace ddsnap
