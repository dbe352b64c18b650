#include "ddsnap/replica/inbox.h"

#include <fmt/format.h>
#include <unistd.h>

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
  if (::unlink(from.c_str()) != 0) return fail_errno("cannot remove", from);
  return {};
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

bool Inbox::holds(const Uuid& uuid) const {
  return find_held(held_, uuid) != nullptr;
}

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
  while (DD_TRY(apply_next(found.deltas))) held_ = DD_TRY(volume_.held());
  if (!found.deltas.empty())
    problems_.push_back(fmt::format("{}: {} wait for a delta that ends in {}, which is not here",
                                    config_.folder, found.deltas.size(),
                                    found.deltas.front().from.to_string()));
  return {};
}

// The first whose turn it is; false: there is none.
Result<bool> Inbox::apply_next(std::vector<DeltaName>& waiting) {
  const auto next = std::ranges::find_if(waiting, [this](const DeltaName& one) {
    return holds(one.to) || (one.from.is_nil() ? held_.empty() : holds(one.from));
  });
  if (next == waiting.end()) return false;
  const DeltaName name = *next;
  waiting.erase(next);
  if (holds(name.to)) {
    deeds_.push_back(fmt::format("{}: was applied before", name.text()));
    DD_TRY(put_away(name));
    return true;
  }
  DD_TRY(apply(name));
  return true;
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
  if (received) {
    deeds_.push_back(
        fmt::format("{}: applied, and snapshot '{}' taken", name.text(), received->tag));
    return put_away(name);
  }
  if (received.error().code != ErrorCode::kDamaged) return std::unexpected(received.error());
  // The volume's own store may be what is damaged; a file that is in order stays.
  const bool names_differ = received.error().text.starts_with("is another");
  if (!names_differ && check_file(path)) return std::unexpected(received.error());
  return put_aside(name, received.error().text);
}

Status Inbox::put_away(const DeltaName& name) {
  const std::string path = config_.folder + "/" + name.text();
  if (!config_.archive.empty()) return move_file(path, config_.archive);
  if (::unlink(path.c_str()) != 0) return fail_errno("cannot remove", path);
  return {};
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
