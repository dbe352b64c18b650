// The volumes that a page shows, each looked at again and again in a thread of its own: a slow
// server delays no other.
//
// Shape     Either some that were named, which stay; or all that the folder of configurations has:
//           follow() takes new ones in, and lets go of those whose file is gone. A file that
//           cannot be understood changes nothing: the volume is watched as it was.
// Errors    None: what goes wrong is told through `tell`, once until it is something else, and all
//           the rest is shown.
// Threads   add() and follow() by one thread; json() and facts() by any; `tell` is called by
//           several. The destructor waits until nobody looks any more.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ddsnap/view/volume_watch.h"

namespace ddsnap {

class WatchedVolumes {
 public:
  struct Options {
    std::string config_folder;
    std::string history_folder;
    std::chrono::seconds every{10};
    std::function<void(const std::string& problem)> tell;
  };
  explicit WatchedVolumes(Options options) : options_(std::move(options)) {}

  void add(const VolumeName& volume);
  // Requires: add() was not called.
  void follow();

  // What the page reads.
  std::string json() const;
  std::vector<VolumeFacts> facts() const;

 private:
  void keep(const std::vector<VolumeName>& wanted);

  struct One {
    One(const VolumeName& volume, const Options& options);
    VolumeName volume;
    VolumeWatch watch;
    std::jthread looker;
  };

  const Options options_;
  std::string last_problem_;  // of follow()
  mutable std::mutex mutex_;
  std::list<One> all_;  // guarded by mutex_; only add() and follow() change it
};

}  // namespace ddsnap
