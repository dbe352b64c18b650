#include "ddsnap/replica/delta_outbox.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <ranges>
#include <sstream>

#include "ddsnap/base/size_text.h"
#include "ddsnap/delta/atomic_file.h"
#include "ddsnap/replica/acknowledgement.h"
#include "ddsnap/replica/child.h"
#include "ddsnap/replica/rotation.h"
#include "ddsnap/replica/text_file.h"

namespace ddsnap {

namespace {

// rsync takes it in KiB a second.
std::uint64_t in_kib(std::uint64_t bytes) {
  return std::max<std::uint64_t>(1, bytes / 1024);
}

}  // namespace

DeltaOutbox::DeltaOutbox(const JobConfig& config, const TargetConfig& target,
                         TargetProgress& progress, WorkContext& context)
    : target_(target),
      progress_(progress),
      context_(context),
      folder_(config.state_folder + "/" + target.label),
      outbox_(folder_ + "/outbox") {}

std::string DeltaOutbox::remote(const std::string& name) const {
  return (target_.host.empty() ? "" : target_.host + ":") + target_.remote + "/" + name;
}

Status DeltaOutbox::run_rsync(std::vector<std::string> words) {
  std::vector<std::string> all = {"rsync", "--times", "--protect-args"};
  if (!target_.host.empty()) all.insert(all.end(), {"-e", target_.ssh});
  if (target_.rate_limit_bytes != 0)
    all.push_back(fmt::format("--bwlimit={}", in_kib(target_.rate_limit_bytes)));
  std::ranges::move(words, std::back_inserter(all));
  Child child = DD_TRY(Child::start(all));
  DD_TRY(child.finish(context_.interruption));
  return {};
}

Status DeltaOutbox::catch_up(const std::vector<HeldSnapshot>& ours) {
  DD_TRY(make_folder(outbox_));
  DD_TRY(fetch_acknowledgement());
  waiting_ = DD_TRY(DeltaFolder::list(outbox_))
  .deltas;
  for (const DeltaName& one : waiting_)
    progress_.sequence = std::max(progress_.sequence, one.sequence);
  DD_TRY(note_acknowledged(ours));
  DD_TRY(drop_delivered());
  progress_.sent = waiting_.empty() ? progress_.acknowledged : waiting_.back().to;
  return {};
}

// Without one the other side has not run yet, and nothing is known of it.
Status DeltaOutbox::fetch_acknowledgement() {
  const std::string path = folder_ + "/" + kAcknowledgementName;
  DD_TRY(run_rsync({"--ignore-missing-args", remote(kAcknowledgementName), folder_ + "/"}));
  const auto text = read_text_file(path);
  if (!text && text.error().code == ErrorCode::kNotFound) return {};
  if (!text) return std::unexpected(text.error());
  auto acknowledgement = decode_acknowledgement(*text);
  if (!acknowledgement) {
    DD_TRY(remove_file(path));  // it may come whole next time
    return with_context(path, std::move(acknowledgement).error());
  }
  has_heard_ = true;
  theirs_ = std::move(acknowledgement->held);
  problem_ = std::move(acknowledgement->problem);
  return {};
}

Status DeltaOutbox::note_acknowledged(const std::vector<HeldSnapshot>& ours) {
  if (!has_heard_) return {};
  for (const HeldSnapshot& one : ours | std::views::reverse) {
    if (std::ranges::find(theirs_, one.uuid) == theirs_.end()) continue;
    progress_.acknowledged = one.uuid;
    progress_.acknowledged_tag = one.tag;
    progress_.acknowledged_made_s = made_s(one);
    return {};
  }
  progress_.acknowledged = {};
  progress_.acknowledged_tag.clear();
  return {};
}

Status DeltaOutbox::drop_delivered() {
  if (has_heard_) {
    for (const DeltaName& one : waiting_)
      if (std::ranges::find(theirs_, one.to) != theirs_.end())
        DD_TRY(remove_file(outbox_ + "/" + one.text()));
    std::erase_if(waiting_, [this](const DeltaName& one) {
      return std::ranges::find(theirs_, one.to) != theirs_.end();
    });
  }
  Uuid last = progress_.acknowledged;
  for (const DeltaName& one : waiting_) {
    const bool goes_on = one.from == last || (one.from.is_nil() && theirs_.empty());
    if (!goes_on) return drop_all();
    last = one.to;
  }
  return {};
}

Status DeltaOutbox::drop_all() {
  for (const DeltaName& one : waiting_) DD_TRY(remove_file(outbox_ + "/" + one.text()));
  waiting_.clear();
  return {};
}

Status DeltaOutbox::add(const Upstream& upstream, const std::vector<HeldSnapshot>& ours,
                        const HeldSnapshot& to) {
  if (progress_.sent == to.uuid) return {};
  const HeldSnapshot* const from = find_held(ours, progress_.sent);
  if (from == nullptr && (!waiting_.empty() || !theirs_.empty())) {
    DD_TRY(drop_all());
    if (!theirs_.empty() && progress_.acknowledged.is_nil())
      return fail(ErrorCode::kFailed,
                  "no snapshot is left that both sides hold; bring the copy up with a resync");
    progress_.sent = progress_.acknowledged;
    return add(upstream, ours, to);
  }
  DD_TRY(check_backlog());
  const DeltaName name{.sequence = progress_.sequence + 1,
                       .from = from == nullptr ? Uuid{} : from->uuid,
                       .to = to.uuid};
  const std::string path = outbox_ + "/" + name.text();
  const auto sink = DD_TRY(open_sink(path));
  auto made = upstream.write_delta(from == nullptr ? "" : from->tag, to.tag, {}, *sink, context_);
  if (!made) return with_context(path, std::move(made).error());
  waiting_.push_back(name);
  progress_.sequence = name.sequence;
  progress_.sent = to.uuid;
  return {};
}

// Where the other side does not run, its inbox has what the outbox has: neither grows beyond this.
// When it runs again one delta from the last one on its way makes up for all that was not made.
Status DeltaOutbox::check_backlog() const {
  std::uint64_t bytes = 0;
  for (const DeltaName& one : waiting_) {
    struct stat facts{};
    if (::stat((outbox_ + "/" + one.text()).c_str(), &facts) == 0)
      bytes += static_cast<std::uint64_t>(facts.st_size);
  }
  const bool is_too_large = target_.backlog_bytes != 0 && bytes >= target_.backlog_bytes;
  if (waiting_.size() < target_.backlog && !is_too_large) return {};
  return fail(ErrorCode::kFailed,
              fmt::format("{} deltas of {} bytes wait until the other side acknowledges them, "
                          "and no more are made before; does 'ddsnap replicate' run there?",
                          waiting_.size(), with_commas(bytes)));
}

Status DeltaOutbox::bring() {
  if (waiting_.empty()) return {};
  std::vector<std::string> words = {"--partial-dir=.partial"};
  for (const DeltaName& one : waiting_) words.push_back(outbox_ + "/" + one.text());
  words.push_back(remote(""));
  return run_rsync(std::move(words));
}

}  // namespace ddsnap
