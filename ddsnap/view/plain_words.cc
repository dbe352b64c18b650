#include "ddsnap/view/plain_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace ddsnap {

std::string duration_text(std::int64_t duration_s) {
  if (duration_s < 120) return fmt::format("{} s", duration_s);
  if (duration_s < 7200) return fmt::format("{} min", duration_s / 60);
  if (duration_s < 172'800) return fmt::format("{} h", duration_s / 3600);
  return fmt::format("{} days", duration_s / 86'400);
}

std::string age_text(std::int64_t then_s, std::int64_t now_s) {
  if (then_s == 0) return "never";
  if (then_s > now_s) return "in the future";
  return duration_text(now_s - then_s) + " ago";
}

std::string percent_text(double share) {
  double percent = std::round(share * 100);
  if (share > 0 && percent < 1) return "<1%";
  if (share < 1 && percent > 99) percent = 99;
  return fmt::format("{:.0f}%", percent);
}

std::string_view snapshot_words(BoundaryState state) {
  switch (state) {
    case BoundaryState::kLive:
      return "kept";
    case BoundaryState::kBookmark:
      return "bookmark";
    case BoundaryState::kDropped:
      return "given up";
  }
  return "unknown";
}

std::string_view ladder_words(std::uint32_t ladder) {
  static constexpr std::string_view kWords[] = {"works", "takes no new snapshots",
                                                "has lost its snapshots; changes are tracked",
                                                "snapstore closed; the volume is not protected"};
  return ladder < std::size(kWords) ? kWords[ladder] : "unknown";
}

std::string_view level_name(EventLevel level) {
  switch (level) {
    case EventLevel::kInfo:
      return "info";
    case EventLevel::kWarning:
      return "warning";
    case EventLevel::kError:
      return "error";
  }
  return "unknown";
}

std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

}  // namespace ddsnap
