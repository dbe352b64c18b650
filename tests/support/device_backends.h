// Every implementation of BlockDevice that can be made without a server, for the conformance suite:
// files and loop devices, buffered and direct, by each engine; NBD; memory; the simulated disk; the
// wrappers.
#pragma once

#include <vector>

#include "tests/support/device_subject.h"

namespace ddsnap::test {

std::vector<Backend> list_backends();

}  // namespace ddsnap::test
