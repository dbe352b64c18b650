#include "ddsnap/view/history.h"

#include <nlohmann/json.hpp>

#include "ddsnap/replica/text_file.h"

namespace ddsnap {

namespace {

using nlohmann::json;

HistorySample parse_sample(const json& text) {
  HistorySample sample{.time_s = text.at(0).get<std::int64_t>(),
                       .used_bytes = text.at(1).get<std::uint64_t>(),
                       .total_bytes = text.at(2).get<std::uint64_t>(),
                       .lags_s = {}};
  for (const auto& [label, lag] : text.at(3).items())
    sample.lags_s[label] = lag.get<std::int64_t>();
  return sample;
}

}  // namespace

Result<History> History::load(const std::string& path) {
  History history;
  const auto text = read_text_file(path);
  if (!text && text.error().code == ErrorCode::kNotFound) return history;
  if (!text) return std::unexpected(text.error());
  try {
    const json parsed = json::parse(*text);
    for (const json& sample : parsed.at("samples"))
      history.samples_.push_back(parse_sample(sample));
  } catch (const json::exception&) {
    return fail(ErrorCode::kDamaged, path + ": this is no history of a volume; delete it");
  }
  while (history.samples_.size() > kMaxHistorySamples) history.samples_.pop_front();
  return history;
}

Status History::save(const std::string& path) const {
  json samples = json::array();
  for (const HistorySample& one : samples_)
    samples.push_back({one.time_s, one.used_bytes, one.total_bytes, json(one.lags_s)});
  return write_text_file(
      path, json{{"samples", samples}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

bool History::add(const VolumeFacts& facts, std::int64_t now_s) {
  if (facts.unreachable) return false;
  // A clock that was set back makes a new sample; the curve shows what it shows.
  if (!samples_.empty() && now_s >= samples_.back().time_s &&
      now_s < samples_.back().time_s + kHistoryStep_s)
    return false;
  HistorySample sample{.time_s = now_s,
                       .used_bytes = facts.slots_used() * facts.chunk_bytes(),
                       .total_bytes = facts.status.slots_total * facts.chunk_bytes(),
                       .lags_s = {}};
  for (const CopyFacts& copy : facts.copies)
    if (const auto lag_s = copy.lag_s(now_s)) sample.lags_s[copy.label] = *lag_s;
  if (samples_.size() == kMaxHistorySamples) samples_.pop_front();
  samples_.push_back(std::move(sample));
  return true;
}

}  // namespace ddsnap
