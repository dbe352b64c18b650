// What `ddsnap status` says to people: the table of a sample volume to the letter, bars that show
// what there is, colours only where they are wanted, and texts that cannot drive a terminal.
#include "ddsnap/view/status_view.h"

#include <gtest/gtest.h>

#include "ddsnap/view/plain_words.h"
#include "tests/support/volume_sample.h"

namespace ddsnap::test {
namespace {

TEST(StatusView, IsThisTable) {
  EXPECT_EQ(
      status_view(sample_volume(), {}, kSampleNow_s),
      "vol0  works\n"
      "  origin     256 MiB  /dev/vg/vol0\n"
      "  snapstore  ###############...............  50%  256 MiB of 512 MiB used\n"
      "  metadata   ##............................   6%  1.00 MiB of 16.0 MiB used\n"
      "  devices    1 attached, 1 missing\n"
      "             missing: reader (nightly-7)\n"
      "  warning    50 % of the room is used\n"
      "\n"
      "  SNAPSHOT   TAKEN         STATE     IN USE  SPACE                ITS OWN      SHARED\n"
      "  old        2 days ago    given up       0  ................         0 B         0 B\n"
      "  nightly-7  8 h ago       kept           1  ####++..........     128 MiB    64.0 MiB\n"
      "  nightly-8  10 min ago    kept           0  #...............    1.00 MiB         0 B\n"
      "  ITS OWN is free when it is deleted; SHARED is read by older ones, too.\n"
      "\n"
      "  COPY       AGE               BEHIND THE VOLUME\n"
      "  office     ############....  3 h behind (nightly-7)\n"
      "             failed 60 s ago: office: connection refused\n");
}

TEST(StatusView, HasColoursOnlyWhereTheyAreWanted) {
  const VolumeFacts facts = sample_volume();
  EXPECT_EQ(status_view(facts, {}, kSampleNow_s).find('\x1b'), std::string::npos);
  const std::string coloured = status_view(facts, {.has_colours = true}, kSampleNow_s);
  EXPECT_NE(coloured.find("\x1b[32mworks\x1b[0m"), std::string::npos);
}

TEST(StatusView, SaysWhyAServerDoesNotAnswer) {
  VolumeFacts facts = sample_volume();
  facts.unreachable = Error{.text = "nobody is there"};
  const std::string text = status_view(facts, {}, kSampleNow_s);
  EXPECT_TRUE(text.starts_with("vol0  no answer\n  nobody is there\n")) << text;
  EXPECT_NE(text.find("office"), std::string::npos);
}

TEST(StatusView, TellsAStoreThatHasSteppedDown) {
  VolumeFacts facts = sample_volume();
  facts.status.ladder = 1;
  facts.status.ladder_why = "a write failed\x1b[2J";
  const std::string text = status_view(facts, {}, kSampleNow_s);
  EXPECT_NE(text.find("vol0  takes no new snapshots\n"), std::string::npos) << text;
  EXPECT_NE(text.find("a write failed?[2J"), std::string::npos) << text;
}

TEST(BarText, ShowsWhatThereIs) {
  EXPECT_EQ(bar_text(0, 0, 4, false), "....");
  EXPECT_EQ(bar_text(0.001, 0, 4, false), "#...");
  EXPECT_EQ(bar_text(0.001, 0.001, 4, false), "#+..");
  EXPECT_EQ(bar_text(0, 0.5, 4, false), "++..");
  EXPECT_EQ(bar_text(0.5, 0.5, 4, false), "##++");
  EXPECT_EQ(bar_text(1, 0.2, 4, false), "####");
  EXPECT_EQ(bar_text(7, 7, 4, false), "####");
  EXPECT_EQ(bar_text(0.5, 0, 2, true), "█·");
}

TEST(PlainWords, AreShort) {
  EXPECT_EQ(age_text(0, 50), "never");
  EXPECT_EQ(age_text(60, 50), "in the future");
  EXPECT_EQ(age_text(10, 129), "119 s ago");
  EXPECT_EQ(age_text(10, 10 + 7199), "119 min ago");
  EXPECT_EQ(age_text(10, 10 + 86'400), "24 h ago");
  EXPECT_EQ(age_text(10, 10 + 864'000), "10 days ago");
  EXPECT_EQ(percent_text(0), "0%");
  EXPECT_EQ(percent_text(0.0001), "<1%");
  EXPECT_EQ(percent_text(0.9999), "99%");
  EXPECT_EQ(percent_text(1), "100%");
}

}  // namespace
}  // namespace ddsnap::test
