// How ages, states and shares are said to people: the same words on a terminal, in pictures and on
// the page.
//
// Units     Seconds since 1970 (UTC); shares from 0 to 1.
// Threads   Plain functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

// "12 min"; two units never.
std::string duration_text(std::int64_t duration_s);
// "12 min ago"; "never" for 0.
std::string age_text(std::int64_t then_s, std::int64_t now_s);
// "34%"; what is above nothing is never "0%", and what is below all never "100%".
std::string percent_text(double share);
// "kept", "bookmark", "given up".
std::string_view snapshot_words(BoundaryState state);
// What the rung of the ladder (S10) means for a user.
std::string_view ladder_words(std::uint32_t ladder);
std::string_view level_name(EventLevel level);
// Nothing in it drives a terminal or breaks a line.
std::string one_line(std::string text);

}  // namespace ddsnap
