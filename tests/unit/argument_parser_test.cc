// Shows what the parser of one verb takes and refuses: tags and differences that begin with '-',
// "-" itself, sizes, options that exclude each other; and that every refusal is one sentence.
#include "ddsnap/cli/argument_parser.h"

#include <gtest/gtest.h>

#include "ddsnap/cli/verbs.h"

namespace ddsnap {
namespace {

struct Parsed {
  bool is_raw = false;
  bool is_best = false;
  unsigned chunk_shift = 14;
  std::uint64_t journal_bytes = 0;
  int level = -1;
  std::string tag;
  std::string difference = "none";
};

Result<Parsed> parse(const std::vector<std::string>& words) {
  Parsed parsed;
  ArgumentParser parser({.name = "try", .usage = "TAG [DIFF]", .summary = "Tries."});
  parser.flag("-r,--raw", parsed.is_raw, "raw");
  parser.flag("-b,--best", parsed.is_best, "best");
  parser.chunk_option("-c,--chunk", parsed.chunk_shift, "chunk");
  parser.size_option("-j,--journal", parsed.journal_bytes, "journal");
  parser.number_option("-g", 0, 9, parsed.level, "level");
  parser.object("TAG", parsed.tag, "tag");
  parser.object("DIFF", parsed.difference, "difference", Need::kOptional);
  parser.exclude_each_other({{"--raw", "--best"}});
  if (!DD_TRY(parser.parse(words))) return fail(ErrorCode::kFailed, "help");
  return parsed;
}

TEST(ArgumentParser, OptionsAndObjectsInAnyOrder) {
  const Result<Parsed> parsed = parse({"-c", "64K", "0", "-r", "--journal=1M", "+2", "-g9"});
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_TRUE(parsed->is_raw);
  EXPECT_EQ(parsed->chunk_shift, 16u);
  EXPECT_EQ(parsed->journal_bytes, 1u << 20);
  EXPECT_EQ(parsed->level, 9);
  EXPECT_EQ(parsed->tag, "0");
  EXPECT_EQ(parsed->difference, "+2");
}

TEST(ArgumentParser, AListTakesOneValueEachTime) {
  std::vector<std::string> mounts;
  std::vector<std::string> objects;
  ArgumentParser parser({.name = "try", .usage = "OBJECTS", .summary = "Tries."});
  parser.text_list_option("--freeze", "MOUNT", mounts, "mounts");
  parser.objects("OBJECTS", objects, "objects");
  const std::vector<std::string> words = {"--freeze", "/a", "0", "--freeze", "/b", "1"};
  ASSERT_TRUE(parser.parse(words));
  EXPECT_EQ(mounts, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(objects, (std::vector<std::string>{"0", "1"}));
}

TEST(ArgumentParser, WhatWasNotGivenKeepsItsValue) {
  const Result<Parsed> parsed = parse({"nightly-7"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->chunk_shift, 14u);
  EXPECT_EQ(parsed->level, -1);
  EXPECT_EQ(parsed->difference, "none");
}

TEST(ArgumentParser, ADashAndDigitsAreAnObjectAndSoIsADash) {
  const Result<Parsed> parsed = parse({"-5", "-1"});
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->tag, "-5");
  EXPECT_EQ(parsed->difference, "-1");
  EXPECT_EQ(parse({"-"})->tag, "-");
}

TEST(ArgumentParser, RefusalsAreUsageErrorsInOneLine) {
  const std::vector<std::string> bad[] = {{},
                                          {"0", "1", "2"},
                                          {"0", "--bogus"},
                                          {"0", "-z"},
                                          {"0", "-r", "-b"},
                                          {"0", "-c", "3000"},
                                          {"0", "-c"},
                                          {"0", "-j", "1X"},
                                          {"0", "-g", "10"},
                                          {"0", "-g", "x"}};
  for (const std::vector<std::string>& words : bad) {
    const Result<Parsed> parsed = parse(words);
    ASSERT_FALSE(parsed) << testing::PrintToString(words);
    EXPECT_EQ(parsed.error().code, ErrorCode::kUsage) << parsed.error().text;
    EXPECT_EQ(parsed.error().text.find('\n'), std::string::npos);
    EXPECT_TRUE(parsed.error().text.starts_with("try: ")) << parsed.error().text;
    EXPECT_TRUE(parsed.error().text.ends_with("see 'ddsnap try --help'")) << parsed.error().text;
  }
}

TEST(ArgumentParser, NumbersAsObjects) {
  EXPECT_EQ(*parse_number("N", "-128", -128, 127), -128);
  EXPECT_EQ(*parse_number("N", "+5", -128, 127), 5);
  for (const char* text : {"", "+", "-", "1.5", "128", "99999999999", "5 ", "+-5", "0x1"})
    EXPECT_FALSE(parse_number("N", text, -128, 127)) << text;
}

TEST(Verbs, OlderSpellingsAreTheSameVerbs) {
  EXPECT_EQ(find_verb("create-snap")->run, find_verb("create")->run);
  EXPECT_EQ(find_verb("delta changelist")->run, find_verb("create-cl")->run);
  EXPECT_EQ(find_verb("delta create")->run, find_verb("create-delta")->run);
  EXPECT_EQ(find_verb("delta apply")->run, find_verb("apply-delta")->run);
  EXPECT_EQ(find_verb("delta"), nullptr);
  EXPECT_EQ(find_verb(""), nullptr);
}

}  // namespace
}  // namespace ddsnap
