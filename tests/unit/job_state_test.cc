// What jobs write down and read again: the state of a volume, acknowledgements, the names of
// deltas. Whatever is cut, changed or strange is told and never taken for what it is not.
#include "ddsnap/replica/job_state.h"

#include <gtest/gtest.h>

#include <fstream>

#include "ddsnap/replica/acknowledgement.h"
#include "ddsnap/replica/delta_name.h"
#include "tests/support/temp_dir.h"

namespace ddsnap {
namespace {

Uuid uuid_of(int number) {
  SeededRandom random(static_cast<std::uint64_t>(number));
  return Uuid::make(random);
}

JobState some_state() {
  JobState state;
  TargetProgress& target = state.targets["office"];
  target.last_try_s = 100;
  target.last_success_s = 90;
  target.last_error = "rsync ended with 12: \"quotes\"\n";
  target.sequence = 7;
  target.sent = uuid_of(1);
  target.acknowledged = uuid_of(2);
  target.acknowledged_tag = "auto-20261120T093000Z";
  target.acknowledged_made_s = 80;
  target.audit_part = 5;
  state.inbox.last_try_s = 5;
  state.received = uuid_of(3);
  return state;
}

TEST(JobState, IsReadAsItWasWritten) {
  const std::string text = encode_job_state(some_state());
  const auto state = decode_job_state(text);
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_EQ(encode_job_state(*state), text);
  EXPECT_EQ(state->targets.at("office").sent, uuid_of(1));
  EXPECT_EQ(state->targets.at("office").audit_part, 5u);
  EXPECT_EQ(state->bases(), (std::vector{uuid_of(1), uuid_of(2)}));
  EXPECT_EQ(state->user_of(uuid_of(2)), "office");
  EXPECT_EQ(state->user_of(uuid_of(3)), "");
}

TEST(JobState, CutAnywhereItIsNoState) {
  const std::string text = encode_job_state(some_state());
  for (std::size_t length = 0; length + 2 < text.size(); ++length)
    EXPECT_FALSE(decode_job_state(text.substr(0, length))) << length;
}

TEST(JobState, AFileThatIsNotThereIsAnEmptyState) {
  const test::TempDir folder;
  EXPECT_TRUE(JobState::load(folder.file("none")).value().targets.empty());
  ASSERT_TRUE(some_state().save(folder.file("new/folder")));
  EXPECT_EQ(JobState::load(folder.file("new/folder")).value().targets.size(), 1u);
  std::ofstream(folder.file("new/folder/state.json")) << "{}";
  const auto damaged = JobState::load(folder.file("new/folder"));
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, ErrorCode::kDamaged);
}

TEST(Acknowledgement, IsReadAsItWasWrittenAndNotWhenCut) {
  const Acknowledgement told{
      .written_s = 12, .held = {uuid_of(1), uuid_of(2)}, .problem = "a; \"b\""};
  const std::string text = encode_acknowledgement(told);
  const auto heard = decode_acknowledgement(text);
  ASSERT_TRUE(heard) << heard.error().text;
  EXPECT_EQ(heard->held, told.held);
  EXPECT_EQ(heard->problem, told.problem);
  for (std::size_t length = 0; length + 2 < text.size(); ++length)
    EXPECT_FALSE(decode_acknowledgement(text.substr(0, length))) << length;
}

TEST(DeltaName, IsReadAsItWasWritten) {
  const DeltaName name{.sequence = 42, .from = {}, .to = uuid_of(1)};
  EXPECT_TRUE(name.text().starts_with("00000042-00000000-"));
  EXPECT_EQ(DeltaName::parse(name.text()).value(), name);
  for (const std::string& wrong :
       {std::string(), std::string("readme"), name.text() + ".tmp", "x" + name.text(),
        name.text().substr(1), name.text().substr(0, 40), std::string("-") + name.text()})
    EXPECT_FALSE(DeltaName::parse(wrong)) << wrong;
}

TEST(DeltaName, AFolderIsReadInOrderAndStrangersAreNamed) {
  const test::TempDir folder;
  for (const int number : {3, 1, 2})
    std::ofstream(folder.file(
        DeltaName{.sequence = static_cast<std::uint64_t>(number), .to = uuid_of(number)}.text()));
  std::ofstream(folder.file("readme"));
  std::ofstream(folder.file(".hidden"));
  std::ofstream(folder.file("half.tmp"));
  const auto found = DeltaFolder::list(folder.path().string());
  ASSERT_TRUE(found) << found.error().text;
  ASSERT_EQ(found->deltas.size(), 3u);
  EXPECT_EQ(found->deltas[0].sequence, 1u);
  EXPECT_EQ(found->deltas[2].sequence, 3u);
  EXPECT_EQ(found->others, std::vector<std::string>{"readme"});
  EXPECT_TRUE(DeltaFolder::list(folder.file("none")).value().deltas.empty());
}

}  // namespace
}  // namespace ddsnap
