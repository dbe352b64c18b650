// How full a snapstore was and how far behind its copies were, for the curves of the page: a sample
// every few minutes, the last week of them.
//
// Units     Seconds since 1970, UTC; bytes; lags in seconds.
// Shape     JSON, one file a volume: {"samples": [[time, used, total, {label: lag}], ...]}.
// Durable   save() replaces the file as a whole.
// Errors    load(): kDamaged for a file that is none; one that is not there is empty.
// Threads   A plain value.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/view/volume_facts.h"

namespace ddsnap {

inline constexpr std::size_t kMaxHistorySamples = 2016;
inline constexpr std::int64_t kHistoryStep_s = 300;

struct HistorySample {
  std::int64_t time_s = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::map<std::string, std::int64_t> lags_s;  // by the target's label
};

class History {
 public:
  static Result<History> load(const std::string& path);
  Status save(const std::string& path) const;

  // False: the last one is younger than kHistoryStep_s, or the volume does not answer.
  bool add(const VolumeFacts& facts, std::int64_t now_s);
  const std::deque<HistorySample>& samples() const { return samples_; }

 private:
  std::deque<HistorySample> samples_;  // oldest first
};

}  // namespace ddsnap
