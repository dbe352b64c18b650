// A descriptor that delivers signals as a signalfd would, one a test decides on.
#pragma once

#include <fcntl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap::test {

class PretendSignal {
 public:
  PretendSignal() {
    int fds[2];
    DD_CHECK(::pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    reading_ = UniqueFd(fds[0]);
    writing_ = UniqueFd(fds[1]);
  }
  int fd() const { return reading_.get(); }
  void raise(int number) {
    signalfd_siginfo info{};
    info.ssi_signo = static_cast<std::uint32_t>(number);
    DD_CHECK(::write(writing_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info));
  }

 private:
  UniqueFd reading_;
  UniqueFd writing_;
};

}  // namespace ddsnap::test
