// Small text files that jobs keep: read whole, replaced whole; and what else they do to files.
//
// Errors    read_text_file(): kNotFound; kDamaged beyond kMaxTextFileBytes.
// Durable   write_text_file(): the old content or the new (AtomicFile).
// Threads   Plain functions.
#pragma once

#include <string>

#include "ddsnap/base/result.h"

namespace ddsnap {

inline constexpr std::size_t kMaxTextFileBytes = 16u << 20;

Result<std::string> read_text_file(const std::string& path);
Status write_text_file(const std::string& path, const std::string& text);
// The folder, and those that it lies in.
Status make_folder(const std::string& path);
// Whatever it holds; one that is not there is no error.
Status remove_file(const std::string& path);

}  // namespace ddsnap
