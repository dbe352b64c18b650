#include "ddsnap/view/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "ddsnap/base/size_text.h"
#include "ddsnap/view/plain_words.h"

namespace ddsnap {

namespace {

constexpr Colour kInk = {0x22, 0x26, 0x2b};
constexpr Colour kQuiet = {0x6b, 0x72, 0x7b};
constexpr Colour kTrack = {0xe9, 0xec, 0xf0};
constexpr Colour kUnknown = {0xc3, 0xc8, 0xcf};
constexpr Colour kUnique = {0x1f, 0x6f, 0xb2};
constexpr Colour kShared = {0x9c, 0xc8, 0xea};
constexpr Colour kOther = {0xb8, 0xbe, 0xc6};

constexpr int kMargin_px = 12;
constexpr int kLine_px = 14;
constexpr int kHeatWidth_px = 640;
constexpr int kBarWidth_px = 420;

int text_width(const std::string& text) {
  return static_cast<int>(text.size()) * kGlyphWidth_px;
}

std::string row_label(const ChangeRow& row) {
  return fmt::format("{} .. {}", row.from_tag, row.to_tag.empty() ? "now" : row.to_tag);
}

std::string shortened(std::string text, std::size_t most) {
  if (text.size() > most) text = text.substr(0, most - 2) + "..";
  return text;
}

constexpr std::size_t kMaxLabel = 40;

void add_heat_row(const ChangeMatrix& matrix, const ChangeRow& row, int x_px, int y_px,
                  int height_px, Picture& picture) {
  if (!row.is_known) {
    picture.boxes.push_back(
        {x_px, y_px, kHeatWidth_px, height_px, kUnknown, row_label(row) + ": not known"});
    return;
  }
  const auto columns = static_cast<int>(matrix.columns);
  for (int column = 0; column < columns; ++column) {
    const double share = row.shares[static_cast<std::size_t>(column)];
    const int left = kHeatWidth_px * column / columns;
    const int right = kHeatWidth_px * (column + 1) / columns;
    const std::uint64_t at =
        matrix.volume_bytes / matrix.columns * static_cast<std::uint64_t>(column);
    std::string title;
    if (share > 0)
      title = fmt::format("{}, from {}: {}", row_label(row), human_bytes(at), percent_text(share));
    picture.boxes.push_back(
        {x_px + left, y_px, right - left, height_px, heat_colour(share), std::move(title)});
  }
}

void add_heat_axis(const ChangeMatrix& matrix, int x_px, int y_px, Picture& picture) {
  for (int quarter = 0; quarter <= 4; ++quarter) {
    const auto anchor = quarter == 0   ? Picture::Anchor::kStart
                        : quarter == 4 ? Picture::Anchor::kEnd
                                       : Picture::Anchor::kMiddle;
    const int x = x_px + kHeatWidth_px * quarter / 4;
    picture.boxes.push_back({std::min(x, x_px + kHeatWidth_px - 1), y_px, 1, 4, kQuiet, ""});
    picture.texts.push_back(
        {x, y_px + 6, human_bytes(matrix.volume_bytes / 4 * static_cast<std::uint64_t>(quarter)),
         kQuiet, anchor});
  }
}

void add_heat_legend(int x_px, int y_px, Picture& picture) {
  constexpr int kSteps = 20;
  picture.texts.push_back({x_px, y_px, "changed: 0%", kQuiet, Picture::Anchor::kStart});
  const int left = x_px + text_width("changed: 0% ");
  for (int step = 0; step <= kSteps; ++step)
    picture.boxes.push_back(
        {left + 6 * step, y_px - 1, 6, 10, heat_colour(static_cast<double>(step) / kSteps), ""});
  picture.texts.push_back(
      {left + 6 * (kSteps + 1) + 6, y_px, "100% of a column", kQuiet, Picture::Anchor::kStart});
}

struct SpaceBar {
  std::string label;
  std::uint64_t unique = 0;
  std::uint64_t shared = 0;
  std::string words;
};

void add_bar(const SpaceBar& bar, std::uint64_t whole, int x_px, int y_px, Colour first,
             Picture& picture) {
  const auto width_of = [&](std::uint64_t part) {
    if (part == 0 || whole == 0) return 0;
    const double share = static_cast<double>(part) / static_cast<double>(whole);
    return std::clamp(static_cast<int>(std::lround(share * kBarWidth_px)), 1, kBarWidth_px);
  };
  const int unique = width_of(bar.unique);
  const int shared = std::min(width_of(bar.shared), kBarWidth_px - unique);
  picture.texts.push_back({x_px - 8, y_px + 1, bar.label, kInk, Picture::Anchor::kEnd});
  picture.boxes.push_back({x_px, y_px, kBarWidth_px, 10, kTrack, ""});
  if (unique != 0) picture.boxes.push_back({x_px, y_px, unique, 10, first, bar.words});
  if (shared != 0) picture.boxes.push_back({x_px + unique, y_px, shared, 10, kShared, bar.words});
  picture.texts.push_back(
      {x_px + kBarWidth_px + 8, y_px + 1, bar.words, kQuiet, Picture::Anchor::kStart});
}

std::vector<SpaceBar> bars_of(const VolumeFacts& facts) {
  std::vector<SpaceBar> bars;
  for (const SnapshotEntry& one : facts.snapshots) {
    const SpaceEntry space = facts.space_of(one.epoch);
    bars.push_back({.label = shortened(one.tag, kMaxLabel),
                    .unique = space.unique_chunks,
                    .shared = space.shared_chunks,
                    .words = fmt::format("{} own, {} shared",
                                         human_bytes(space.unique_chunks * facts.chunk_bytes()),
                                         human_bytes(space.shared_chunks * facts.chunk_bytes()))});
  }
  constexpr std::size_t kMaxBars = 200;
  if (bars.size() > kMaxBars) bars.erase(bars.begin(), bars.end() - kMaxBars);
  return bars;
}

void add_space_legend(int x_px, int y_px, Picture& picture) {
  picture.boxes.push_back({x_px, y_px, 10, 10, kUnique, ""});
  picture.texts.push_back({x_px + 16, y_px + 1, "free when it is deleted", kQuiet, {}});
  picture.boxes.push_back({x_px + 190, y_px, 10, 10, kShared, ""});
  picture.texts.push_back({x_px + 206, y_px + 1, "read by older snapshots, too", kQuiet, {}});
}

}  // namespace

// Even a little that changed can be seen.
Colour heat_colour(double share) {
  static constexpr Colour kStops[] = {{0xfd, 0xe7, 0xa9},
                                      {0xfb, 0xb1, 0x5c},
                                      {0xe8, 0x6a, 0x3a},
                                      {0xb4, 0x2a, 0x3b},
                                      {0x5e, 0x10, 0x3a}};
  if (share <= 0) return kTrack;
  const double place = std::sqrt(std::min(share, 1.0)) * (std::size(kStops) - 1);
  const auto index = std::min(static_cast<std::size_t>(place), std::size(kStops) - 2);
  return mix(kStops[index], kStops[index + 1], place - static_cast<double>(index));
}

Picture heat_map(const ChangeMatrix& matrix, const std::string& volume) {
  int label_width = 0;
  for (const ChangeRow& row : matrix.rows)
    label_width = std::max(label_width, text_width(shortened(row_label(row), kMaxLabel)));
  const int row_height = matrix.rows.size() > 60 ? 10 : kLine_px;
  const int x_px = kMargin_px + label_width + 8;
  Picture picture;
  picture.width_px = x_px + kHeatWidth_px + kMargin_px;
  int y_px = kMargin_px;
  picture.texts.push_back(
      {kMargin_px,
       y_px,
       shortened(fmt::format("{}: what changed between snapshots", volume), 100),
       kInk,
       {}});
  y_px += 2 * kLine_px;
  if (matrix.rows.empty())
    picture.texts.push_back({kMargin_px, y_px, "no snapshots yet", kQuiet, {}});
  for (const ChangeRow& row : matrix.rows) {
    picture.texts.push_back({x_px - 8, y_px + (row_height - kGlyphHeight_px) / 2,
                             shortened(row_label(row), kMaxLabel), kInk, Picture::Anchor::kEnd});
    add_heat_row(matrix, row, x_px, y_px, row_height - 1, picture);
    y_px += row_height;
  }
  add_heat_axis(matrix, x_px, y_px + 2, picture);
  y_px += 2 * kLine_px;
  add_heat_legend(x_px, y_px, picture);
  picture.height_px = y_px + kLine_px + kMargin_px;
  return picture;
}

Picture space_chart(const VolumeFacts& facts) {
  const std::vector<SpaceBar> bars = bars_of(facts);
  int label_width = text_width("snapstore");
  std::uint64_t largest = 1;
  for (const SpaceBar& bar : bars) {
    label_width = std::max(label_width, text_width(bar.label));
    largest = std::max(largest, bar.unique + bar.shared);
  }
  const int x_px = kMargin_px + label_width + 8;
  Picture picture;
  picture.width_px = x_px + kBarWidth_px + 8 + 40 * kGlyphWidth_px + kMargin_px;
  int y_px = kMargin_px;
  picture.texts.push_back(
      {kMargin_px,
       y_px,
       shortened(fmt::format("{}: who holds the room in the snapstore", facts.volume.name), 100),
       kInk,
       {}});
  y_px += 2 * kLine_px;
  const std::string used =
      fmt::format("{} of {} used", human_bytes(facts.slots_used() * facts.chunk_bytes()),
                  human_bytes(facts.status.slots_total * facts.chunk_bytes()));
  add_bar({.label = "snapstore", .unique = facts.slots_used(), .shared = 0, .words = used},
          facts.status.slots_total, x_px, y_px, kOther, picture);
  y_px += 2 * kLine_px;
  for (const SpaceBar& bar : bars) {
    add_bar(bar, largest, x_px, y_px, kUnique, picture);
    y_px += kLine_px;
  }
  y_px += kLine_px;
  add_space_legend(x_px, y_px, picture);
  picture.height_px = y_px + kLine_px + kMargin_px;
  return picture;
}

}  // namespace ddsnap
