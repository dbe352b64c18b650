// Comparing bytes with a golden file of hex digits.
//
// Shape     tests/golden/NAME: 16 bytes a line, as `xxd -p -c16` prints them. With
//           DDSNAP_GOLDEN_WRITE set in the environment the file is written instead.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

namespace ddsnap::test {

inline std::string to_hex_lines(std::span<const std::byte> bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(bytes[i]));
    if (i % 16 == 15 || i + 1 == bytes.size()) text += '\n';
  }
  return text;
}

inline void expect_golden(const std::string& name, std::span<const std::byte> bytes) {
  const auto path = std::filesystem::path(DDSNAP_SOURCE_DIR) / "tests/golden" / name;
  if (std::getenv("DDSNAP_GOLDEN_WRITE") != nullptr) std::ofstream(path) << to_hex_lines(bytes);
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(to_hex_lines(bytes), text.str())
      << "the format changed: golden file, document and version change with it";
}

}  // namespace ddsnap::test
