// Shows that errors keep their code, errno and context on the way up, that errno values become the
// codes that callers act on, and that each code has the exit status that STYLE promises.
#include "ddsnap/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace ddsnap {
namespace {

Result<int> half_of(int number) {
  if (number % 2 != 0) return fail(ErrorCode::kUsage, "odd");
  return number / 2;
}

Result<int> quarter_of(int number) {
  const int half = DD_TRY(half_of(number));
  return DD_TRY(half_of(half));
}

Status only_even(int number) {
  static_cast<void>(DD_TRY(half_of(number)));
  return {};
}

TEST(Result, TryPassesValuesOnAndErrorsUp) {
  EXPECT_EQ(*quarter_of(12), 3);
  ASSERT_FALSE(quarter_of(6));
  EXPECT_EQ(quarter_of(6).error().text, "odd");
  EXPECT_TRUE(only_even(2));
  EXPECT_FALSE(only_even(3));
}

TEST(Result, TryMovesWhatCannotBeCopied) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto use = [&]() -> Result<int> {
    std::unique_ptr<int> owned = DD_TRY(make());
    return *owned;
  };
  EXPECT_EQ(*use(), 7);
}

TEST(Result, ErrnoBecomesTheCodeThatCallersActOn) {
  const auto code_of = [](int sys_errno) {
    const Status status = fail_errno("cannot open", "vol0", sys_errno);
    return status.error().code;
  };
  EXPECT_EQ(code_of(ENOSPC), ErrorCode::kNoSpace);
  EXPECT_EQ(code_of(EDQUOT), ErrorCode::kNoSpace);
  EXPECT_EQ(code_of(ENOENT), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(EBUSY), ErrorCode::kBusy);
  EXPECT_EQ(code_of(EAGAIN), ErrorCode::kBusy);
  EXPECT_EQ(code_of(EIO), ErrorCode::kIo);
}

TEST(Result, MessageIsOneLineWithActObjectAndCause) {
  const Status plain = fail(ErrorCode::kFailed, "no such thing");
  EXPECT_EQ(plain.error().message(), "no such thing");
  const Status system = fail_errno("cannot open", "vol0", ENOENT);
  EXPECT_EQ(system.error().message(), "cannot open vol0: No such file or directory");
  errno = EIO;
  const Status current = fail_errno("cannot read", "vol0");
  EXPECT_EQ(current.error().sys_errno, EIO);
}

TEST(Result, ContextIsPutInFrontAndNothingElseChanges) {
  const Status status = fail_errno("cannot open", "vol0", ENOENT);
  const Status outer = with_context("server", status.error());
  EXPECT_EQ(outer.error().message(), "server: cannot open vol0: No such file or directory");
  EXPECT_EQ(outer.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(outer.error().sys_errno, ENOENT);
}

TEST(Result, ExitStatusIsThatOfTheTableInStyle) {
  const auto status_of = [](ErrorCode code) { return exit_status(Error{.code = code}); };
  EXPECT_EQ(status_of(ErrorCode::kFailed), 1);
  EXPECT_EQ(status_of(ErrorCode::kIo), 1);
  EXPECT_EQ(status_of(ErrorCode::kNoSpace), 1);
  EXPECT_EQ(status_of(ErrorCode::kUsage), 2);
  EXPECT_EQ(status_of(ErrorCode::kDamaged), 3);
  EXPECT_EQ(status_of(ErrorCode::kNotFound), 4);
  EXPECT_EQ(status_of(ErrorCode::kBusy), 5);
}

TEST(ResultDeathTest, AFailedCheckSaysWhereAndEndsTheProcess) {
  const bool ours = false;
  EXPECT_DEATH(DD_CHECK(ours), "ddsnap: internal error: .*result_test.cc:[0-9]+: ours");
}

}  // namespace
}  // namespace ddsnap
