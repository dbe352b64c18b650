// Sizes and times as people write and read them.
//
// Units     K M G T are powers of 1024, in either case; a plain number counts bytes.
// Errors    kUsage for anything that is no size or does not fit 64 bits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ddsnap/base/result.h"

namespace ddsnap {

Result<std::uint64_t> parse_size(std::string_view text);
// The shift of a chunk size: a power of two from 4K to 1M.
Result<unsigned> parse_chunk_size(std::string_view text);

// 67108864 becomes "67,108,864".
std::string with_commas(std::uint64_t number);
// Three digits and a unit: "1.50 MiB", "512 B".
std::string human_bytes(std::uint64_t bytes);
// Nanoseconds since 1970 as "2008-06-06T12:00:00Z"; "-" for 0.
std::string utc_time(std::uint64_t since_1970_ns);

}  // namespace ddsnap
