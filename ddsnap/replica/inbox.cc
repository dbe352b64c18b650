#include "ddsnap/replica/inbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/filesystem.hpp>
#include <cerrno>
#include <cstdio>

#include "ddsnap/delta/atomic_file.h"
#include "ddsnap/delta/verify.h"
#include "ddsnap/replica/acknowledgement.h"
#include "ddsnap/replica/peeked_source.h"
#include "ddsnap/replica/text_file.h"

namespace ddsnap {

namespace {

// To another file system, too.
Status move_file(const std::string& from, const std::string& into_folder) {
  namespace fs = boost::filesystem;
  DD_TRY(make_folder(into_folder));
  const fs::path to = fs::path(into_folder) / fs::path(from).filename();
  if (std::rename(from.c_str(), to.c_str()) == 0) return sync_folder(into_folder);
  if (errno != EXDEV) return fail_errno("cannot move", from);
  const auto source = DD_TRY(open_source(from));
  const auto sink = DD_TRY(open_sink(to.string()));
  std::vector<std::byte> piece(kReadPieceBytes);
  while (const std::size_t got = DD_TRY(source->read(piece)))
    DD_TRY(sink->write(std::span(piece).first(got)));
  DD_TRY(sink->finish());
  return remove_file(from);
}

// Whether the file is to blame. All of it is read.
Status check_file(const std::string& path) {
  const auto source = DD_TRY(open_source(path));
  DD_TRY(verify_delta(*source));
  return {};
}

Status check_names(const DeltaName& name, const DeltaHeader& header) {
  if (header.from_uuid == name.from && header.to_uuid == name.to) return {};
  return fail(ErrorCode::kDamaged, "is another delta than its name says");
}

}  // namespace

Status Inbox::run(std::int64_t now_s) {
  DD_TRY(make_folder(config_.folder));
  held_ = DD_TRY(volume_.held());
  const Status applied = apply_all();
  if (!held_.empty()) newest_ = held_.back().uuid;
  DD_TRY(acknowledge(now_s, applied ? "" : applied.error().message()));
  return applied;
}

Status Inbox::apply_all() {
  DeltaFolder found = DD_TRY(DeltaFolder::list(config_.folder));
  for (const std::string& other : found.others)
    if (other != kAcknowledgementName)
      problems_.push_back(fmt::format("{}/{}: is no delta", config_.folder, other));
  for (;;) {
    InboxPlan plan = plan_inbox(found.deltas, held_);
    DD_TRY(clear(plan));
    found.deltas = std::move(plan.waiting);
    if (!plan.next || applied_.contains(*plan.next)) break;
    DD_TRY(apply(*plan.next));
    if (!applied_.contains(*plan.next)) std::erase(found.deltas, *plan.next);
    held_ = DD_TRY(volume_.held());
  }
  DD_TRY(judge_refused());
  if (!found.deltas.empty())
    problems_.push_back(fmt::format("{}: {} wait for a delta that ends in {}, which is not here",
                                    config_.folder, found.deltas.size(),
                                    found.deltas.front().from.to_string()));
  return {};
}

// What overtook the others goes last, so that they are still known for what they are after a kill.
Status Inbox::clear(const InboxPlan& plan) {
  for (const DeltaName& one : plan.overtaken) DD_TRY(remove_overtaken(one, plan.there.back()));
  for (const DeltaName& one : plan.there) {
    if (!applied_.contains(one))
      deeds_.push_back(fmt::format("{}: was applied before", one.text()));
    DD_TRY(put_away(one));
  }
  return {};
}

Status Inbox::apply(const DeltaName& name) {
  const std::string path = config_.folder + "/" + name.text();
  const auto received = [&]() -> Result<ReceiveReport> {
    const auto source = DD_TRY(open_source(path));
    PeekedSource peeked = DD_TRY(PeekedSource::take(*source));
    DD_TRY(check_names(name, peeked.header()));
    DD_TRY(source->rewind());
    return volume_.receive(*source, {.puts_strangers_back = config_.puts_strangers_back}, context_);
  }();
  if (!received) return judge_failure(name, received.error());
  deeds_.push_back(fmt::format("{}: applied, and snapshot '{}' taken", name.text(), received->tag));
  applied_.insert(name);
  return {};
}

Status Inbox::remove_overtaken(const DeltaName& name, const DeltaName& by) {
  deeds_.push_back(fmt::format("{}: deleted, {} overtook it", name.text(), by.text()));
  return remove_file(config_.folder + "/" + name.text());
}

// The volume went on from what they start from. Once upstream has heard of it, it begins anew.
Status Inbox::judge_refused() {
  for (const auto& [name, why] : refused_) {
    if (!applied_.empty() && applied_.rbegin()->sequence > name.sequence)
      DD_TRY(remove_overtaken(name, *applied_.rbegin()));
    else
      problems_.push_back(fmt::format("{}: {}", name.text(), why));
  }
  return {};
}

// Nothing, where the file is to blame: the rest of the inbox goes on without it.
Status Inbox::judge_failure(const DeltaName& name, Error error) {
  const std::string path = config_.folder + "/" + name.text();
  const bool starts_from_newest = name.from.is_nil() || held_.back().uuid == name.from;
  if (error.code == ErrorCode::kFailed && !starts_from_newest) {
    refused_.emplace(name, error.text);
    return {};
  }
  // The volume's own store may be what is damaged; a file that is in order stays.
  const bool names_differ = error.text.starts_with("is another");
  if (error.code != ErrorCode::kDamaged || (!names_differ && check_file(path)))
    return std::unexpected(std::move(error));
  return put_aside(name, error.text);
}

Status Inbox::put_away(const DeltaName& name) {
  const std::string path = config_.folder + "/" + name.text();
  return config_.archive.empty() ? remove_file(path) : move_file(path, config_.archive);
}

Status Inbox::put_aside(const DeltaName& name, const std::string& why) {
  DD_TRY(move_file(config_.folder + "/" + name.text(), config_.folder + "/bad"));
  problems_.push_back(fmt::format("{}: put aside into bad/: {}", name.text(), why));
  return {};
}

Status Inbox::acknowledge(std::int64_t now_s, const std::string& error) {
  Acknowledgement acknowledgement{.written_s = now_s, .problem = error};
  for (const std::string& problem : problems_)
    acknowledgement.problem += (acknowledgement.problem.empty() ? "" : "; ") + problem;
  for (const HeldSnapshot& one : held_) acknowledgement.held.push_back(one.uuid);
  return write_text_file(config_.folder + "/" + kAcknowledgementName,
                         encode_acknowledgement(acknowledgement));
}

}  // namespace ddsnap
