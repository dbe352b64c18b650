#include "ddsnap/view/status_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "ddsnap/base/size_text.h"
#include "ddsnap/view/plain_words.h"

namespace ddsnap {

namespace {

constexpr unsigned kWideBar = 30;
constexpr unsigned kNarrowBar = 16;
// A copy is late beyond so many of its periods, and very late beyond twice that.
constexpr double kLatePeriods = 2;

enum class Tone { kGood, kWarning, kBad, kHeading, kQuiet };

class Painter {
 public:
  explicit Painter(bool has_colours) : has_colours_(has_colours) {}
  std::string operator()(Tone tone, const std::string& text) const {
    static constexpr const char* kCodes[] = {"32", "33", "1;31", "1", "2"};
    if (!has_colours_) return text;
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<int>(tone)], text);
  }

 private:
  bool has_colours_;
};

Tone tone_of_share(double share, const ServerStatusMessage& status) {
  const double first = status.warn_percent[0] == 0 ? 0.8 : status.warn_percent[0] / 100.0;
  const double second = status.warn_percent[1] == 0 ? 0.95 : status.warn_percent[1] / 100.0;
  return share >= second ? Tone::kBad : share >= first ? Tone::kWarning : Tone::kGood;
}

std::string head_line(const VolumeFacts& facts, const Painter& paint) {
  const std::string name = paint(Tone::kHeading, one_line(facts.volume.name));
  if (facts.unreachable) return fmt::format("{}  {}\n", name, paint(Tone::kBad, "no answer"));
  const std::uint32_t ladder = facts.status.ladder;
  return fmt::format(
      "{}  {}\n", name,
      paint(ladder == 0 ? Tone::kGood : Tone::kBad, std::string(ladder_words(ladder))));
}

std::string store_lines(const VolumeFacts& facts, const TerminalLook& look, const Painter& paint) {
  const ServerStatusMessage& status = facts.status;
  const double used = facts.store_share();
  std::string text =
      fmt::format("  origin     {}  {}\n", human_bytes(status.origin_bytes), status.origin_path);
  text +=
      fmt::format("  snapstore  {} {:>4}  {} of {} used\n",
                  paint(tone_of_share(used, status), bar_text(used, 0, kWideBar, look.has_blocks)),
                  percent_text(used), human_bytes(facts.slots_used() * facts.chunk_bytes()),
                  human_bytes(status.slots_total * facts.chunk_bytes()));
  const double metadata = facts.metadata_share();
  text += fmt::format(
      "  metadata   {} {:>4}  {} of {} used\n",
      paint(tone_of_share(metadata, status), bar_text(metadata, 0, kWideBar, look.has_blocks)),
      percent_text(metadata), human_bytes(status.metadata_bytes_used),
      human_bytes(status.metadata_bytes_total));
  return text;
}

std::string target_lines(const VolumeFacts& facts, const Painter& paint) {
  std::string text = fmt::format("  devices    {} attached", facts.status.targets_present);
  if (facts.status.targets_absent != 0)
    text += ", " + paint(Tone::kWarning, fmt::format("{} missing", facts.status.targets_absent));
  text += "\n";
  for (const TargetEntry& target : facts.targets)
    if (!target.is_present)
      text += fmt::format("             missing: {} ({})\n", one_line(target.label),
                          target.role == TargetRole::kOrigin ? "origin" : target.tag);
  return text;
}

std::string warning_lines(const ServerStatusMessage& status, const Painter& paint) {
  std::string text;
  if (!status.ladder_why.empty())
    text += "  " + paint(Tone::kBad, "why       ") + " " + one_line(status.ladder_why) + "\n";
  for (const std::string& warning : status.warnings)
    text += "  " + paint(Tone::kWarning, "warning   ") + " " + one_line(warning) + "\n";
  return text;
}

std::string snapshot_lines(const VolumeFacts& facts, const TerminalLook& look, const Painter& paint,
                           std::int64_t now_s) {
  if (facts.snapshots.empty()) return "\n  no snapshots yet\n";
  std::size_t width = 8;
  for (const SnapshotEntry& one : facts.snapshots) width = std::max(width, one.tag.size());
  std::string text =
      "\n" +
      paint(Tone::kHeading,
            fmt::format("  {:<{}}  {:<12}  {:<8}  {:>6}  {:<{}}  {:>10}  {:>10}", "SNAPSHOT", width,
                        "TAKEN", "STATE", "IN USE", "SPACE", kNarrowBar, "ITS OWN", "SHARED")) +
      "\n";
  const auto all = static_cast<double>(std::max<std::uint64_t>(1, facts.status.slots_total));
  for (const SnapshotEntry& one : facts.snapshots) {
    const SpaceEntry space = facts.space_of(one.epoch);
    const bool is_kept = one.state == BoundaryState::kLive;
    const std::string line = fmt::format(
        "  {:<{}}  {:<12}  {:<8}  {:>6}  {}  {:>10}  {:>10}", one.tag, width,
        age_text(static_cast<std::int64_t>(one.created_ns / 1'000'000'000), now_s),
        snapshot_words(one.state), std::uint64_t{one.use_count} + one.target_count,
        bar_text(static_cast<double>(space.unique_chunks) / all,
                 static_cast<double>(space.shared_chunks) / all, kNarrowBar, look.has_blocks),
        human_bytes(space.unique_chunks * facts.chunk_bytes()),
        human_bytes(space.shared_chunks * facts.chunk_bytes()));
    text += (is_kept ? line : paint(Tone::kQuiet, line)) + "\n";
  }
  return text +
         paint(Tone::kQuiet,
               "  ITS OWN is free when it is deleted; SHARED is read by older ones, too.") +
         "\n";
}

std::string copy_line(const CopyFacts& copy, const TerminalLook& look, const Painter& paint,
                      std::int64_t now_s, std::size_t width) {
  const auto lag_s = copy.lag_s(now_s);
  const double periods =
      lag_s ? static_cast<double>(*lag_s) / std::max<double>(1, copy.period_s) : 2 * kLatePeriods;
  const Tone tone = periods >= 2 * kLatePeriods ? Tone::kBad
                    : periods >= kLatePeriods   ? Tone::kWarning
                                                : Tone::kGood;
  std::string text;
  if (copy.label.empty()) {
    text = fmt::format("  {:<{}}  last applied {}", "inbox", width,
                       age_text(copy.last_success_s, now_s));
  } else {
    text = fmt::format(
        "  {:<{}}  {}  {}", one_line(copy.label), width,
        paint(tone, bar_text(periods / (2 * kLatePeriods), 0, kNarrowBar, look.has_blocks)),
        lag_s ? fmt::format("{} behind ({})", duration_text(*lag_s), one_line(copy.tag))
              : "no copy yet");
  }
  if (!copy.last_error.empty())
    text += "\n             " +
            paint(Tone::kBad, fmt::format("failed {}: {}", age_text(copy.last_try_s, now_s),
                                          one_line(copy.last_error)));
  return text + "\n";
}

std::string copy_lines(const VolumeFacts& facts, const TerminalLook& look, const Painter& paint,
                       std::int64_t now_s) {
  if (facts.copies.empty()) return "";
  std::size_t width = 9;
  for (const CopyFacts& copy : facts.copies) width = std::max(width, copy.label.size());
  std::string text = "\n" +
                     paint(Tone::kHeading, fmt::format("  {:<{}}  {:<{}}  {}", "COPY", width, "AGE",
                                                       kNarrowBar, "BEHIND THE VOLUME")) +
                     "\n";
  for (const CopyFacts& copy : facts.copies) text += copy_line(copy, look, paint, now_s, width);
  return text;
}

bool is_utf8_locale() {
  for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string text = value;
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text.find("utf-8") != std::string::npos || text.find("utf8") != std::string::npos;
  }
  return false;
}

bool is_set(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

}  // namespace

TerminalLook TerminalLook::of_output() {
  const char* const terminal = std::getenv("TERM");
  const bool is_dumb = terminal == nullptr || std::string(terminal) == "dumb";
  return {.has_colours = ::isatty(STDOUT_FILENO) == 1 && !is_dumb && !is_set("NO_COLOR"),
          .has_blocks = is_utf8_locale()};
}

std::string bar_text(double share, double more, unsigned width, bool has_blocks) {
  const auto columns_of = [&](double part) {
    const double columns = std::clamp(part, 0.0, 1.0) * width;
    // What there is can be seen.
    return part > 0 ? std::max(1u, static_cast<unsigned>(std::lround(columns))) : 0u;
  };
  const unsigned first = columns_of(share);
  const unsigned both =
      std::clamp(columns_of(share + more), std::min(width, first + (more > 0 ? 1u : 0u)), width);
  std::string text;
  const auto add = [&](unsigned count, const char* block, const char* plain) {
    for (unsigned i = 0; i < count; ++i) text += has_blocks ? block : plain;
  };
  add(first, "█", "#");
  add(both - first, "▒", "+");
  add(width - both, "·", ".");
  return text;
}

std::string status_view(const VolumeFacts& facts, const TerminalLook& look, std::int64_t now_s) {
  const Painter paint(look.has_colours);
  std::string text = head_line(facts, paint);
  if (facts.unreachable) {
    text += "  " + one_line(facts.unreachable->message()) + "\n";
  } else {
    text += store_lines(facts, look, paint) + target_lines(facts, paint) +
            warning_lines(facts.status, paint) + snapshot_lines(facts, look, paint, now_s);
  }
  return text + copy_lines(facts, look, paint, now_s);
}

}  // namespace ddsnap
