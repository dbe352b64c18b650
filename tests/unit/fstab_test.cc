// Which lines of fstab mean a device: by path, by the UUID or label of what lies on it, quoted or
// not; comments, other devices and other tags mean it not.
#include "ddsnap/cli/fstab.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace ddsnap {
namespace {

TEST(Fstab, FindsADeviceByAllItsNames) {
  const test::TempDir dir;
  std::ofstream(dir.file("fstab")) << "# /dev/none /commented ext4\n"
                                      "\n"
                                      "/dev/none\t/by-path ext4 defaults 0 2\n"
                                      "UUID=ABCD-12 /by-uuid vfat\n"
                                      "UUID=\"abcd-12\" /quoted vfat\n"
                                      "UUID=abcd-13 /another vfat\n"
                                      "LABEL=data /by-label ext4\n"
                                      "LABEL= /nothing ext4\n"
                                      "tmpfs /tmp tmpfs\n"
                                      "/dev/other /other ext4\n";
  const DeviceContent content{
      .kind = "vfat", .usage = "filesystem", .label = "data", .uuid = "abcd-12"};
  std::string found;
  for (const FstabLine& line : fstab_lines_of("/dev/none", content, dir.file("fstab")))
    found += std::to_string(line.number) + line.mount_point + " ";
  EXPECT_EQ(found, "3/by-path 4/by-uuid 5/quoted 7/by-label ");
}

TEST(Fstab, OneThatIsNotThereHasNoLines) {
  EXPECT_TRUE(fstab_lines_of("/dev/none", {}, "/nonexistent/fstab").empty());
}

}  // namespace
}  // namespace ddsnap
