// The curves' samples: one every few minutes, a week of them, kept in a file, and none of a volume
// that does not answer. And the page's JSON, whose texts survive whatever bytes they hold.
#include "ddsnap/view/history.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "ddsnap/view/page_json.h"
#include "tests/support/temp_dir.h"
#include "tests/support/volume_sample.h"

namespace ddsnap::test {
namespace {

TEST(History, TakesASampleEveryFewMinutes) {
  History history;
  const VolumeFacts facts = sample_volume();
  EXPECT_TRUE(history.add(facts, kSampleNow_s));
  EXPECT_FALSE(history.add(facts, kSampleNow_s + kHistoryStep_s - 1));
  EXPECT_TRUE(history.add(facts, kSampleNow_s + kHistoryStep_s));
  ASSERT_EQ(history.samples().size(), 2u);
  EXPECT_EQ(history.samples()[0].used_bytes, 256u << 20);
  EXPECT_EQ(history.samples()[1].lags_s.at("office"), 10'800 + kHistoryStep_s);
  VolumeFacts down = facts;
  down.unreachable = Error{.text = "gone"};
  EXPECT_FALSE(history.add(down, kSampleNow_s + 10'000));
}

TEST(History, ForgetsTheOldest) {
  History history;
  const VolumeFacts facts = sample_volume();
  for (std::size_t i = 0; i < kMaxHistorySamples + 3; ++i)
    EXPECT_TRUE(history.add(facts, kSampleNow_s + static_cast<std::int64_t>(i) * kHistoryStep_s));
  EXPECT_EQ(history.samples().size(), kMaxHistorySamples);
  EXPECT_EQ(history.samples().front().time_s, kSampleNow_s + 3 * kHistoryStep_s);
}

TEST(History, IsKeptInAFile) {
  const TempDir folder;
  const std::string path = folder.file("history.json");
  EXPECT_TRUE(History::load(path)->samples().empty());
  History history;
  history.add(sample_volume(), kSampleNow_s);
  ASSERT_TRUE(history.save(path));
  const auto loaded = History::load(path);
  ASSERT_TRUE(loaded.has_value());
  ASSERT_EQ(loaded->samples().size(), 1u);
  EXPECT_EQ(loaded->samples()[0].lags_s, history.samples()[0].lags_s);
  for (const char* const bad :
       {"", "{}", "[1", R"({"samples": [[1, 2]]})", R"({"samples": [7]})"}) {
    std::ofstream(path) << bad;
    EXPECT_EQ(History::load(path).error().code, ErrorCode::kDamaged) << bad;
  }
}

TEST(PageJson, TellsASampleVolume) {
  const auto page = nlohmann::json::parse(page_json(sample_volume(),
                                                    {.volume_bytes = 256u << 20,
                                                     .chunk_shift = 14,
                                                     .columns = 2,
                                                     .rows = {{.from_tag = "nightly-7",
                                                               .to_tag = "nightly-8",
                                                               .changed_chunks = 2,
                                                               .shares = {0, 0.001}}}},
                                                    {}, kSampleNow_s));
  EXPECT_EQ(page["name"], "vol0");
  EXPECT_EQ(page["store"]["used_bytes"], 256u << 20);
  EXPECT_EQ(page["snapshots"].size(), 3u);
  EXPECT_EQ(page["snapshots"][0]["state"], "given up");
  EXPECT_EQ(page["copies"][0]["lag_s"], 10'800);
  EXPECT_EQ(page["changes"]["rows"][0]["cells"], (std::vector<int>{0, 1}));  // a little is seen
}

TEST(PageJson, SurvivesTextsThatAreNoUtf8) {
  VolumeFacts facts = sample_volume();
  facts.events.entries[0].text = "\xff</script><b>";
  const auto page = nlohmann::json::parse(page_json(facts, {}, {}, kSampleNow_s));
  EXPECT_EQ(page["events"][0]["text"], "\xef\xbf\xbd</script><b>");
}

}  // namespace
}  // namespace ddsnap::test
