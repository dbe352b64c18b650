// An nbdkit that lives as long as this object: started, used, reaped.
//
// Shape     nbdkit inherits a socket that already listens, so a client may connect at once and
//           there is nothing to wait for.
// Errors    start() fails when no socket can be made; where nbdkit is not installed, is_installed()
//           says so, and a test skips.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {

class CaptiveNbdkit {
 public:
  static bool is_installed();
  // `arguments`: plugin, filters and their parameters, as on nbdkit's command line.
  static Result<std::unique_ptr<CaptiveNbdkit>> start(const std::vector<std::string>& arguments);
  ~CaptiveNbdkit() { kill(); }

  std::string uri() const { return "nbd+unix:///?socket=" + socket_path_; }
  // SIGKILL, and waits for the end. Its connections are lost.
  void kill();

 private:
  CaptiveNbdkit() : socket_path_(directory_.file("socket")) {}

  TempDir directory_;
  const std::string socket_path_;
  pid_t pid_ = -1;
};

}  // namespace ddsnap::test
