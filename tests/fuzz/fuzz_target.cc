#include "tests/fuzz/fuzz_target.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace ddsnap::fuzz {

namespace {

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

}  // namespace

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

std::vector<Seed> golden_seeds(const char* file_name) {
  std::ifstream file(std::string(DDSNAP_SOURCE_DIR "/tests/golden/") + file_name);
  std::vector<Seed> seeds;
  std::string whole;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::string hex;
    words >> name >> hex;
    if (hex.empty()) {
      whole += name;
    } else {
      seeds.push_back({name, from_hex(hex)});
    }
  }
  if (!whole.empty()) seeds.push_back({file_name, from_hex(whole)});
  must(!seeds.empty(), "the golden file has bytes");
  return seeds;
}

}  // namespace ddsnap::fuzz

// The helpers of the unit tests say what is wrong by gtest's means: here that must end the program.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  GTEST_FLAG_SET(break_on_failure, true);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
  ddsnap::fuzz::run_one(std::as_bytes(std::span(data, size_bytes)));
  return 0;
}
