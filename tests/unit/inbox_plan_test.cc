// What becomes of the deltas of an inbox, by names alone: chains, doubles, gaps, and chains that
// upstream began anew, at every stage in which a run may have been killed.
#include "ddsnap/replica/inbox_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace ddsnap {
namespace {

Uuid uuid_of(char letter) {
  Uuid uuid;
  if (letter != '-') uuid.bytes.fill(static_cast<std::byte>(letter));
  return uuid;
}

// "1AB 2BC": number 1 from A to B, number 2 from B to C; '-' is nothing.
std::vector<DeltaName> deltas(const std::string& text) {
  std::vector<DeltaName> all;
  for (std::size_t i = 0; i < text.size(); i += 4)
    all.push_back({.sequence = static_cast<std::uint64_t>(text[i] - '0'),
                   .from = uuid_of(text[i + 1]),
                   .to = uuid_of(text[i + 2])});
  std::ranges::sort(all);
  return all;
}

std::string text(const std::vector<DeltaName>& all) {
  std::string text;
  for (const DeltaName& one : all) {
    const auto letter = [](const Uuid& uuid) {
      return uuid.is_nil() ? '-' : static_cast<char>(uuid.bytes[0]);
    };
    if (!text.empty()) text += ' ';
    text += std::to_string(one.sequence) + letter(one.from) + letter(one.to);
  }
  return text;
}

// "there|overtaken|waiting|next"
std::string plan(const std::string& names, const std::string& held) {
  std::vector<HeldSnapshot> snapshots;
  for (const char letter : held) snapshots.push_back({.uuid = uuid_of(letter)});
  const InboxPlan plan = plan_inbox(deltas(names), snapshots);
  return text(plan.there) + "|" + text(plan.overtaken) + "|" + text(plan.waiting) + "|" +
         (plan.next ? text({*plan.next}) : "");
}

TEST(InboxPlan, AChainIsAppliedInItsOrderWhateverTheNumbersSay) {
  EXPECT_EQ(plan("", "A"), "|||");
  EXPECT_EQ(plan("1-A 2AB", ""), "||1-A 2AB|1-A");
  EXPECT_EQ(plan("1AB 2BC", "A"), "||1AB 2BC|1AB");
  EXPECT_EQ(plan("1AB 2BC", "AB"), "1AB||2BC|2BC");
  EXPECT_EQ(plan("4BC 5CD 7AB", "A"), "||4BC 5CD 7AB|7AB");
  EXPECT_EQ(plan("4BC 5CD 7AB", "AB"), "7AB||4BC 5CD|4BC");
  EXPECT_EQ(plan("4CD 5BC 7AB", "AB"), "7AB||4CD 5BC|5BC");
}

TEST(InboxPlan, WhatIsMissingOrBeginsFromNothingIsWaitedFor) {
  EXPECT_EQ(plan("2BC 3CD", "A"), "||2BC 3CD|");
  EXPECT_EQ(plan("1AB 3CD", "AB"), "1AB||3CD|");
  EXPECT_EQ(plan("1-X", "A"), "||1-X|");
}

TEST(InboxPlan, WhatCameTwiceIsThere) {
  EXPECT_EQ(plan("1AB 4AB", "AB"), "1AB 4AB|||");
  EXPECT_EQ(plan("1AB 2BC 4AB", "AB"), "1AB 4AB||2BC|2BC");
}

TEST(InboxPlan, AChainThatWasBegunAnewOvertakesTheOld) {
  // Of two from the same snapshot the newer is tried, and the older stays until that has succeeded.
  EXPECT_EQ(plan("1AB 2BC 3AD", "A"), "||1AB 2BC 3AD|3AD");
  EXPECT_EQ(plan("1AB 2BC", "A"), "||1AB 2BC|1AB");  // the newer was damaged, and is gone
  EXPECT_EQ(plan("1AB 2BC 3AD 4DE", "AD"), "3AD|1AB 2BC|4DE|4DE");
  EXPECT_EQ(plan("2BC 3AD 4DE", "AD"), "3AD|2BC|4DE|4DE");  // killed between two that go
  EXPECT_EQ(plan("3AD 4DE", "AD"), "3AD||4DE|4DE");
  // Of the old chain a part was applied before.
  EXPECT_EQ(plan("2BC 3AD", "AB"), "||2BC 3AD|2BC");
  EXPECT_EQ(plan("2BC 3AD", "ABC"), "2BC||3AD|3AD");  // the volume will refuse it
  EXPECT_EQ(plan("1-A 2AB 3-D", "D"), "3-D|1-A 2AB||");
}

}  // namespace
}  // namespace ddsnap
