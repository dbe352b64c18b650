// Shows that a journal record is, byte for byte, what SNAPSTORE.md section 11 prints: the bytes are
// taken from the document itself.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "server/store/journal.h"
#include "server/store/operations.h"
#include "tests/support/memory_device.h"

namespace ddsnap::test {
namespace {

// The indented hex lines below the heading "Worked example", without offsets and blanks.
std::string documented_hex() {
  std::ifstream file(std::string(DDSNAP_SOURCE_DIR) + "/server/store/SNAPSTORE.md");
  std::string line;
  std::string hex;
  bool is_inside = false;
  while (std::getline(file, line)) {
    if (line.starts_with("## ")) is_inside = line.ends_with("Worked example");
    if (!is_inside || !line.starts_with("    ")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) hex += word;
  }
  return hex;
}

TEST(JournalGolden, RecordIsAsDocumented) {
  const Uuid store = *Uuid::parse("00010203-0405-4607-8809-0a0b0c0d0e0f");
  MemoryDevice device(1u << 20, "metadata");
  const Layout layout{.journal_unit_bytes = 512,
                      .journal_bytes = 128 << 10,
                      .tables_offset_bytes = kJournalOffset + (128 << 10)};
  Journal journal(device, layout, store);
  ASSERT_TRUE(journal.replay({0, 0, 0x0102030405060708}, [](auto) { return Status{}; }));
  std::vector<std::byte> operations;
  encode_operation(CopiedOutOp{{1}, {1}, {{{5}, {.slot = {7}, .hash = {0x1122334455667788}}}}},
                   operations);
  const auto requests = journal.plan(operations);
  const IoRequest& request = requests[0];
  EXPECT_EQ(request.offset_bytes, kJournalOffset);
  EXPECT_EQ(requests[1].offset_bytes, kJournalOffset + (128 << 10) + 4096) << "behind no tables";
  EXPECT_EQ(requests[1].data, request.data);
  EXPECT_EQ(request.length_bytes, 512u);
  std::string hex;
  for (std::size_t i = 0; i < 64 + operations.size(); ++i)
    hex += fmt::format("{:02x}", std::to_integer<unsigned>(request.data[i]));
  EXPECT_EQ(hex, documented_hex());
}

}  // namespace
}  // namespace ddsnap::test
