// Names as /proc writes them: a space is "\\040", as in mounts, mountinfo and swaps.
//
// Threads   A plain function.
#pragma once

#include <string>
#include <string_view>

namespace ddsnap {

std::string unescape_proc_name(std::string_view text);

}  // namespace ddsnap
