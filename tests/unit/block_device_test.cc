// The conformance suite over every implementation that needs no server (files and loop devices,
// buffered and direct, by each engine; NBD against a captive nbdkit; memory, the simulated disk,
// and the wrappers, which must not be noticed). Loop devices need root; where a backend is not to
// be had, its tests are skipped with the reason.

#include <gtest/gtest.h>

#include "tests/support/device_backends.h"
#include "tests/support/device_conformance.h"

namespace ddsnap::test {
namespace {

INSTANTIATE_TEST_SUITE_P(All, BlockDeviceTest, ::testing::ValuesIn(list_backends()), backend_name);

}  // namespace
}  // namespace ddsnap::test
