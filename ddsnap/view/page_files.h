// The files of the page (page/), as they were when the program was built.
//
// Threads   A plain function.
#pragma once

#include <span>
#include <string_view>

namespace ddsnap {

struct PageFile {
  std::string_view name;  // "page.js"
  std::string_view content;
};

std::span<const PageFile> page_files();
// Empty: there is none of this name.
std::string_view page_file(std::string_view name);

}  // namespace ddsnap
