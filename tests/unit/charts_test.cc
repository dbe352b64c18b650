// The pictures: shares of columns by arithmetic on known lists, the colours that stand where in the
// painted heat map, bars of the space chart, SVG that escapes, PNG that libpng reads again to the
// same pixels, and a font whose letters differ.
#include "ddsnap/view/charts.h"

#include <gtest/gtest.h>
#include <png.h>

#include <set>

#include "ddsnap/view/pixel_font.h"
#include "ddsnap/view/png_writer.h"
#include "ddsnap/view/svg_writer.h"
#include "tests/support/volume_sample.h"

namespace ddsnap::test {
namespace {

Changelist list_of(const std::vector<ChunkRange>& ranges) {
  Changelist list;
  for (const ChunkRange range : ranges) list.append(range);
  return list;
}

TEST(SharesOf, CountsEachChunkInItsColumn) {
  EXPECT_EQ(shares_of(list_of({}), 100, 4), (std::vector<float>{0, 0, 0, 0}));
  EXPECT_EQ(shares_of(list_of({{ChunkNr{0}, 100}}), 100, 4), (std::vector<float>{1, 1, 1, 1}));
  const auto some = shares_of(list_of({{ChunkNr{20}, 10}, {ChunkNr{99}, 1}}), 100, 4);
  EXPECT_FLOAT_EQ(some[0], 0.2f);
  EXPECT_FLOAT_EQ(some[1], 0.2f);
  EXPECT_FLOAT_EQ(some[2], 0);
  EXPECT_FLOAT_EQ(some[3], 0.04f);
}

TEST(SharesOf, TakesColumnsOfUnequalSizeAndAVolumeOf2To32Chunks) {
  const auto three = shares_of(list_of({{ChunkNr{3}, 1}}), 10, 3);  // 0-2, 3-5, 6-9
  EXPECT_FLOAT_EQ(three[1], 1.0f / 3);
  EXPECT_EQ(three[0] + three[2], 0);
  const auto huge = shares_of(list_of({{ChunkNr{0xffffffff}, 1}}), 1ull << 32, 512);
  EXPECT_GT(huge[511], 0);
  EXPECT_EQ(huge[510], 0);
}

TEST(SharesOf, LeavesOutWhatLiesBeyondTheVolume) {
  EXPECT_EQ(shares_of(list_of({{ChunkNr{8}, 100}}), 10, 2), (std::vector<float>{0, 0.4f}));
}

ChangeMatrix sample_matrix() {
  return {.volume_bytes = 1u << 20,
          .chunk_shift = 14,
          .columns = 2,
          .rows = {{.from_tag = "0", .to_tag = "1", .shares = {0, 1}},
                   {.from_tag = "1", .to_tag = "<&\"", .is_known = false},
                   {.from_tag = "2", .shares = {0.25, 0}}}};
}

TEST(HeatMap, PaintsEachCell) {
  const Picture picture = heat_map(sample_matrix(), "vol0");
  std::vector<Picture::Box> cells;
  for (const auto& box : picture.boxes)
    if (box.height_px == 13) cells.push_back(box);
  ASSERT_EQ(cells.size(), 5u);  // the row that is not known is one box
  EXPECT_EQ(cells[0].colour, heat_colour(0));
  EXPECT_EQ(cells[1].colour, heat_colour(1));
  EXPECT_EQ(cells[1].x_px, cells[0].x_px + cells[0].width_px);
  EXPECT_NE(cells[2].title.find("not known"), std::string::npos);
  EXPECT_EQ(cells[3].colour, heat_colour(0.25));
  EXPECT_GT(cells[3].y_px, cells[1].y_px);
  EXPECT_NE(cells[1].title.find("0 .. 1, from 512 KiB: 100%"), std::string::npos) << cells[1].title;
}

TEST(HeatMap, AVolumeWithoutSnapshotsHasAPictureToo) {
  const Picture picture =
      heat_map({.volume_bytes = 1u << 20, .chunk_shift = 14, .columns = 2}, "v");
  EXPECT_TRUE(to_png(picture).has_value());
}

TEST(HeatColour, GrowsDarkerTheMoreChanged) {
  const auto light = [](double share) {
    const Colour c = heat_colour(share);
    return 2 * c.red + 3 * c.green + c.blue;
  };
  for (int percent = 1; percent < 100; ++percent)
    EXPECT_GT(light(percent / 100.0), light((percent + 1) / 100.0)) << percent;
  EXPECT_NE(heat_colour(0.001), heat_colour(0));
}

TEST(SpaceChart, BarsAreAsLongAsTheirShares) {
  const Picture picture = space_chart(sample_volume());
  int widest = 0;
  for (const auto& box : picture.boxes)
    if (box.title == "128 MiB own, 64.0 MiB shared") widest += box.width_px;
  EXPECT_EQ(widest, 420);  // the largest fills its track
}

TEST(Svg, EscapesAndIsWellFormed) {
  const std::string svg = to_svg(heat_map(sample_matrix(), "<script>alert(1)</script>\x1b"));
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_NE(svg.find("1 .. &lt;&amp;&quot;: not known"), std::string::npos);
  EXPECT_EQ(svg.find('\x1b'), std::string::npos);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(Png, IsReadAgainToTheSamePixels) {
  const Picture picture = heat_map(sample_matrix(), "vol0");
  const auto pixels = paint_pixels(picture);
  const auto png = to_png(picture);
  ASSERT_TRUE(png.has_value());
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&image, png->data(), png->size()), 0);
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> read(PNG_IMAGE_SIZE(image));
  ASSERT_NE(png_image_finish_read(&image, nullptr, read.data(), 0, nullptr), 0);
  EXPECT_EQ(read, *pixels);
}

TEST(Png, RefusesWhatIsTooLarge) {
  EXPECT_EQ(to_png({.width_px = 100'000, .height_px = 10}).error().code, ErrorCode::kUsage);
}

TEST(PixelFont, LettersDiffer) {
  std::set<std::array<std::uint8_t, 5>> seen;
  for (char c = ' '; c <= '~'; ++c) EXPECT_TRUE(seen.insert(glyph_columns(c)).second) << c;
  EXPECT_EQ(glyph_columns('\xff'), glyph_columns('\x01'));
}

}  // namespace
}  // namespace ddsnap::test
