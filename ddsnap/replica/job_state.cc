#include "ddsnap/replica/job_state.h"

#include <nlohmann/json.hpp>

#include "ddsnap/replica/text_file.h"

namespace ddsnap {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const JobProgress& progress) {
  return {{"last_try_s", progress.last_try_s},
          {"last_success_s", progress.last_success_s},
          {"last_error", progress.last_error}};
}

Json to_json(const TargetProgress& target) {
  Json json = to_json(static_cast<const JobProgress&>(target));
  json["sequence"] = target.sequence;
  json["sent"] = target.sent.to_string();
  json["acknowledged"] = target.acknowledged.to_string();
  json["acknowledged_tag"] = target.acknowledged_tag;
  json["acknowledged_made_s"] = target.acknowledged_made_s;
  json["audit_part"] = target.audit_part;
  return json;
}

// These throw what the library throws; decode_job_state() catches it.
Uuid uuid_at(const Json& json, const char* name) {
  const auto uuid = Uuid::parse(json.at(name).get<std::string>());
  return uuid ? *uuid : Uuid{};
}

void read_progress(const Json& json, JobProgress& progress) {
  progress.last_try_s = json.at("last_try_s").get<std::int64_t>();
  progress.last_success_s = json.at("last_success_s").get<std::int64_t>();
  progress.last_error = json.at("last_error").get<std::string>();
}

TargetProgress target_from(const Json& json) {
  TargetProgress target;
  read_progress(json, target);
  target.sequence = json.at("sequence").get<std::uint64_t>();
  target.sent = uuid_at(json, "sent");
  target.acknowledged = uuid_at(json, "acknowledged");
  target.acknowledged_tag = json.at("acknowledged_tag").get<std::string>();
  target.acknowledged_made_s = json.at("acknowledged_made_s").get<std::int64_t>();
  target.audit_part = json.at("audit_part").get<std::uint64_t>();
  return target;
}

std::string path_in(const std::string& state_folder) {
  return state_folder + "/state.json";
}

}  // namespace

std::vector<Uuid> JobState::bases() const {
  std::vector<Uuid> all;
  for (const auto& [label, target] : targets)
    for (const Uuid& uuid : {target.sent, target.acknowledged})
      if (!uuid.is_nil()) all.push_back(uuid);
  return all;
}

std::string JobState::user_of(const Uuid& base) const {
  for (const auto& [label, target] : targets)
    if (target.sent == base || target.acknowledged == base) return label;
  return {};
}

std::string encode_job_state(const JobState& state) {
  Json json = {{"version", 1}, {"targets", Json::object()}};
  for (const auto& [label, target] : state.targets) json["targets"][label] = to_json(target);
  json["inbox"] = to_json(state.inbox);
  json["inbox"]["received"] = state.received.to_string();
  return json.dump(2) + "\n";
}

Result<JobState> decode_job_state(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    if (json.at("version").get<int>() != 1)
      return fail(ErrorCode::kVersion, "written by another version of ddsnap");
    JobState state;
    for (const auto& [label, target] : json.at("targets").items())
      state.targets[label] = target_from(target);
    read_progress(json.at("inbox"), state.inbox);
    state.received = uuid_at(json.at("inbox"), "received");
    return state;
  } catch (const nlohmann::json::exception&) {
    return fail(ErrorCode::kDamaged, "is not the state of a volume's jobs");
  }
}

Result<JobState> JobState::load(const std::string& state_folder) {
  const auto text = read_text_file(path_in(state_folder));
  if (!text && text.error().code == ErrorCode::kNotFound) return JobState{};
  if (!text) return std::unexpected(text.error());
  auto state = decode_job_state(*text);
  if (!state)
    return with_context(path_in(state_folder) + " (delete it, and the jobs begin anew)",
                        std::move(state).error());
  return state;
}

Status JobState::save(const std::string& state_folder) const {
  DD_TRY(make_folder(state_folder));
  return write_text_file(path_in(state_folder), encode_job_state(*this));
}

}  // namespace ddsnap
