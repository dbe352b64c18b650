// Becoming a daemon whose starter learns how the start went.
//
// Shape     begin() forks unless in the foreground: the child goes on, and the parent waits. When
//           the child calls ready() the parent exits with 0; failed() makes the parent print the
//           error and exit with its status; a child that just ends is an error too. ready() also
//           writes the pid file and tells systemd ($NOTIFY_SOCKET). After that failed() does
//           nothing.
// Errors    ready(): a pid file that cannot be written. systemd's socket is best effort.
// Threads   begin() before any thread is made.
// Lifetime  The destructor removes the pid file that ready() wrote, if it is still ours.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

class Daemon {
 public:
  struct Options {
    std::string program;  // for the parent's messages
    bool is_foreground = false;
    std::string pid_path;  // empty: none
  };

  // Returns in the process that is to do the work.
  static Result<Daemon> begin(Options options);
  Daemon(Daemon&& other) noexcept;
  Daemon& operator=(Daemon&&) = delete;
  ~Daemon();

  Status ready();
  // While a parent waits: tells it and ends this process, which has nobody left to talk to. In the
  // foreground it returns.
  void failed(const Error& error);

 private:
  explicit Daemon(Options options) : options_(std::move(options)) {}

  Options options_;
  UniqueFd parent_;  // to the waiting parent; none in the foreground, or when it has been told
  bool has_pid_file_ = false;
};

// The path from the root, symbolic links kept; '@' names and the empty path stay as they are.
std::string absolute_path(const std::string& path);

// Tells the service manager, if $NOTIFY_SOCKET names one. True when it was told.
bool notify_service_manager(const std::string& state);

}  // namespace ddsnap
