// The names of a volume's units: escaped as systemd-escape does it, and understood both ways.
#include "ddsnap/cli/unit_name.h"

#include <gtest/gtest.h>

namespace ddsnap {
namespace {

TEST(UnitName, EscapesDashesAlone) {
  EXPECT_EQ(volume_unit("server", "vol0", "service"), "ddsnap-server@vol0.service");
  EXPECT_EQ(volume_unit("rotate", "a.b_c", "timer"), "ddsnap-rotate@a.b_c.timer");
  EXPECT_EQ(volume_unit("device", "db-1-log", "service"), "ddsnap-device@db\\x2d1\\x2dlog.service");
}

TEST(UnitName, AnInstanceIsAVolumeEscapedOrNot) {
  EXPECT_EQ(volume_of_instance("vol0"), "vol0");
  EXPECT_EQ(volume_of_instance("db-1"), "db-1");
  EXPECT_EQ(volume_of_instance("db\\x2d1\\x2dlog"), "db-1-log");
}

}  // namespace
}  // namespace ddsnap
