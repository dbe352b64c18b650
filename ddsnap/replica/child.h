// Another program at work for a job: rsync, ssh, a command of the administrator's.
//
// Shape     Its words are given as they are, no shell reads them. What it says is kept, the end of
//           it for messages.
// Errors    kFailed with its exit status or signal and the last line that it wrote to stderr;
//           kInterrupted, and then it is ended first.
// Threads   None inside.
// Lifetime  finish() or the destructor reaps it; without finish() it is killed.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

class Child {
 public:
  enum class Input : std::uint8_t { kNone, kPipe };
  enum class Output : std::uint8_t { kKept, kOurs };
  struct How {
    Input input = Input::kNone;
    Output output = Output::kKept;
    std::vector<std::string> environment = {};  // NAME=VALUE, beside ours
  };
  static Result<Child> start(const std::vector<std::string>& words, const How& how);
  static Result<Child> start(const std::vector<std::string>& words) { return start(words, How{}); }

  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  // Of Input::kPipe; the caller writes, and finish() closes what is left of it.
  UniqueFd take_input() { return std::move(input_); }
  // Waits for its end. What it wrote to stdout, where that was kept.
  Result<std::string> finish(const Interruption& interruption);

 private:
  Child(std::string name, pid_t pid) : name_(std::move(name)), pid_(pid) {}
  void kill_and_reap();
  std::string complaint() const;

  std::string name_;
  pid_t pid_;
  UniqueFd input_;
  UniqueFd output_;  // files in memory
  UniqueFd errors_;
};

}  // namespace ddsnap
