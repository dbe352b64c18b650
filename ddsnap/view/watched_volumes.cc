#include "ddsnap/view/watched_volumes.h"

#include <algorithm>
#include <condition_variable>
#include <ctime>

namespace ddsnap {

namespace {

using Tell = std::function<void(const std::string& problem)>;

void tell_once(const Status& status, std::string& last_problem, const Tell& tell) {
  const std::string problem = status ? "" : status.error().message();
  if (problem != last_problem && !problem.empty()) tell(problem);
  last_problem = problem;
}

void look_again_and_again(VolumeWatch& watch, std::chrono::seconds every, const Tell& tell,
                          const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any pause;
  std::string last_problem;
  while (!stop.stop_requested()) {
    tell_once(watch.look(std::time(nullptr)), last_problem, tell);
    std::unique_lock lock(mutex);
    pause.wait_for(lock, stop, every, [] { return false; });
  }
}

}  // namespace

WatchedVolumes::One::One(const VolumeName& of, const Options& options)
    : volume(of),
      watch(of, options.config_folder, options.history_folder),
      looker([this, &options](const std::stop_token& stop) {
        look_again_and_again(watch, options.every, options.tell, stop);
      }) {}

void WatchedVolumes::add(const VolumeName& volume) {
  const std::lock_guard lock(mutex_);
  all_.emplace_back(volume, options_);
}

void WatchedVolumes::follow() {
  const auto names = config_names(options_.config_folder);
  Status all_read = names ? Status{} : std::unexpected(names.error());
  if (!names) return tell_once(all_read, last_problem_, options_.tell);
  std::vector<VolumeName> wanted;
  for (const std::string& name : *names) {
    const auto config = load_job_config(options_.config_folder, name);
    if (!config && all_read) all_read = std::unexpected(config.error());
    const auto known =
        std::ranges::find(all_, name, [](const One& one) { return one.volume.name; });
    if (config)
      wanted.push_back({name, config->server});
    else if (known != all_.end())
      wanted.push_back(known->volume);
  }
  tell_once(all_read, last_problem_, options_.tell);
  keep(wanted);
}

void WatchedVolumes::keep(const std::vector<VolumeName>& wanted) {
  std::list<One> others;  // in the end those that are gone; waited for without the lock
  const std::lock_guard lock(mutex_);
  for (const VolumeName& volume : wanted) {
    const auto known = std::ranges::find(all_, volume, &One::volume);
    if (known != all_.end())
      others.splice(others.end(), all_, known);
    else
      others.emplace_back(volume, options_);
  }
  all_.swap(others);
}

std::string WatchedVolumes::json() const {
  std::string text = "{\"volumes\":[";
  const std::lock_guard lock(mutex_);
  for (const One& one : all_) {
    if (text.back() != '[') text += ',';
    text += one.watch.json();
  }
  return text + "]}\n";
}

std::vector<VolumeFacts> WatchedVolumes::facts() const {
  std::vector<VolumeFacts> facts;
  const std::lock_guard lock(mutex_);
  for (const One& one : all_) facts.push_back(one.watch.facts());
  return facts;
}

}  // namespace ddsnap
