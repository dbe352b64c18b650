#include "ddsnap/replica/ssh_target.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ranges>
#include <sstream>

#include "ddsnap/delta/atomic_file.h"
#include "ddsnap/replica/child.h"
#include "ddsnap/replica/rotation.h"

namespace ddsnap {

namespace {

// Into the child's stdin, as long as somebody reads there.
class PipeSink final : public ByteSink {
 public:
  PipeSink(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  Status write(std::span<const std::byte> bytes) override {
    return write_fully(fd_.get(), bytes, name_);
  }
  Status finish() override {
    fd_.reset();
    return {};
  }

 private:
  UniqueFd fd_;
  const std::string name_;
};

std::vector<std::string> ssh_words(const TargetConfig& target, const std::string& command) {
  std::vector<std::string> words;
  std::istringstream text(target.ssh);
  for (std::string word; text >> word;) words.push_back(word);
  words.push_back(target.host);
  words.push_back(command);
  return words;
}

std::string quoted(const std::string& text) {
  return "'" + text + "'";
}

// Oldest first.
Result<std::vector<HeldSnapshot>> held_from_json(const std::string& text) {
  try {
    std::vector<HeldSnapshot> all;
    for (const nlohmann::json& one : nlohmann::json::parse(text))
      all.push_back({
        .uuid = DD_TRY(Uuid::parse(one.at("uuid").get<std::string>()))
        , .tag = one.at("tag").get<std::string>()
      });
    return all;
  } catch (const nlohmann::json::exception&) {
    return fail(ErrorCode::kDamaged, "what the other side says is no list of snapshots");
  }
}

Result<std::vector<HeldSnapshot>> ask_what_it_has(const TargetConfig& target,
                                                  const WorkContext& context) {
  const std::string command =
      fmt::format("{} list --json {}", quoted(target.program), quoted(target.remote));
  Child child = DD_TRY(Child::start(ssh_words(target, command)));
  return held_from_json(DD_TRY(child.finish(context.interruption)));
}

void note_there(const HeldSnapshot& snapshot, TargetProgress& progress) {
  progress.sent = progress.acknowledged = snapshot.uuid;
  progress.acknowledged_tag = snapshot.tag;
  progress.acknowledged_made_s = made_s(snapshot);
}

}  // namespace

Status send_by_ssh(const TargetConfig& target, const Upstream& upstream,
                   const std::vector<HeldSnapshot>& ours, const HeldSnapshot& to,
                   TargetProgress& progress, WorkContext& context) {
  const std::vector<HeldSnapshot> theirs = DD_TRY(ask_what_it_has(target, context));
  const HeldSnapshot* const from = newest_common(ours, theirs);
  if (from == nullptr && !theirs.empty())
    return fail(ErrorCode::kFailed,
                "no snapshot is left that both sides hold; bring the copy up with a resync");
  if (from != nullptr) note_there(*from, progress);
  if (from != nullptr && from->uuid == to.uuid) return {};
  const std::string command =
      fmt::format("{} receive {}{}", quoted(target.program),
                  target.puts_strangers_back ? "--force-revert " : "", quoted(target.remote));
  Child child = DD_TRY(Child::start(ssh_words(target, command), {.input = Child::Input::kPipe}));
  PipeSink sink(child.take_input(), target.host);
  context.rate_limit = RateLimit(target.rate_limit_bytes);
  const auto made =
      upstream.write_delta(from == nullptr ? "" : from->tag, to.tag, {}, sink, context);
  context.rate_limit = RateLimit(0);
  // Where nobody reads any more, the reason is what the other side says.
  if (!made && made.error().sys_errno != EPIPE) return std::unexpected(made.error());
  DD_TRY(sink.finish());
  DD_TRY(child.finish(context.interruption));
  note_there(to, progress);
  return {};
}

}  // namespace ddsnap
