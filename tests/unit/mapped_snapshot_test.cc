// What the kernel target's status line proves, and that other devices prove nothing. The line of a
// live target is read in vm/walkthrough.
#include "ddsnap/io/mapped_snapshot.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "ddsnap/base/uuid.h"

namespace ddsnap {
namespace {

constexpr char kUuid[] = "5a913323-7e41-4db8-bab9-70bbe1dfb410";

TEST(MappedSnapshot, StatusLineNamesTheSnapshot) {
  EXPECT_EQ(snapshot_uuid_of_status(std::string("snapshot up ") + kUuid + " 16384 served 96"),
            kUuid);
  EXPECT_EQ(snapshot_uuid_of_status(std::string("snapshot searching ") + kUuid), kUuid);
  EXPECT_EQ(snapshot_uuid_of_status("origin up - 16384 epoch 1"), Uuid{}.to_string());
}

TEST(MappedSnapshot, WhatNamesNoneProvesNothing) {
  for (const char* status :
       {"", "snapshot", "snapshot up", "snapshot searching - 0", "snapshot up x y", "linear 1",
        "snapshot up 00000000-0000-0000-0000-000000000000"})
    EXPECT_EQ(snapshot_uuid_of_status(status), "") << status;
}

TEST(MappedSnapshot, DeviceOfAnotherKindProvesNothing) {
  struct stat null{};
  ASSERT_EQ(::stat("/dev/null", &null), 0);
  EXPECT_EQ(mapped_snapshot_uuid(null.st_rdev), "");
}

}  // namespace
}  // namespace ddsnap
