// Shows the delta format by its golden file, which is the worked example of DELTA.md, and that each
// kind of chunk is written as it should be: same, zero, data, new, runs.
#include "ddsnap/delta/delta_trailer.h"

#include <gtest/gtest.h>

#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/delta_writer.h"
#include "tests/support/delta_world.h"
#include "tests/support/golden.h"

namespace ddsnap::test {
namespace {

// A volume of three chunks of 4 KiB: chunk 0 stays, chunk 1 gets 4096 times 'B' (it held 'A'),
// chunk 2 becomes zero. Codec zstd would depend on its version; a byte repeated suits lz4, whose
// block format leaves the compressor little choice.
Pair example() {
  Pair pair;
  pair.old_bytes = Bytes(3 * 4096, std::byte{'A'});
  pair.new_bytes = pair.old_bytes;
  std::fill_n(pair.new_bytes.begin() + 4096, 4096, std::byte{'B'});
  std::fill_n(pair.new_bytes.begin() + 8192, 4096, std::byte{0});
  pair.from_uuid = *Uuid::parse("00010203-0405-4607-8809-0a0b0c0d0e0f");
  pair.to_uuid = *Uuid::parse("10111213-1415-4617-9819-1a1b1c1d1e1f");
  return pair;
}

struct Parsed {
  DeltaHeader header;
  std::vector<DeltaFrame> frames;
  DeltaTrailer trailer;
};

Parsed parse(const Bytes& delta) {
  MemorySource source(delta);
  Parsed parsed;
  auto reader = DeltaReader::open(source);
  EXPECT_TRUE(reader) << reader.error().text;
  parsed.header = reader->header();
  for (;;) {
    auto frame = reader->next();
    EXPECT_TRUE(frame) << frame.error().text;
    if (!frame || !*frame) break;
    parsed.frames.push_back(**frame);
  }
  parsed.trailer = reader->trailer();
  return parsed;
}

TEST(DeltaFormat, GoldenFile) {
  const Pair pair = example();
  Changelist list = pair.list();
  list.from_tag = "0";
  list.to_tag = "1";
  const Bytes delta = pair.delta(list, {.mode = DeltaMode::kRaw,
                                        .codec = {Codec::kLz4, 1},
                                        .created_ns = 1'700'000'000'000'000'000});
  expect_golden("delta_v1.hex", delta);
  const Parsed parsed = parse(delta);
  EXPECT_EQ(parsed.header.chunk_count, 2u);
  ASSERT_EQ(parsed.frames.size(), 1u);
  EXPECT_EQ(parsed.frames[0].encoding, Encoding::kLz4);
  EXPECT_EQ(parsed.trailer.stream_bytes, delta.size());
}

TEST(DeltaFormat, KindsOfChunks) {
  Pair pair = example();
  Changelist list = pair.list();
  Changelist wider = list;
  wider.ranges.clear();
  wider.before.clear();
  wider.append(ChunkRange{{0}, 3});
  const Parsed parsed = parse(pair.delta(wider));
  ASSERT_EQ(parsed.frames.size(), 1u);
  const auto& entries = parsed.frames[0].entries;
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].content, ContentKind::kSame);
  EXPECT_EQ(entries[1].content, ContentKind::kData);
  EXPECT_EQ(entries[2].content, ContentKind::kZero);
  for (const FrameEntry& entry : entries) EXPECT_EQ(entry.before_kind, BeforeKind::kKnown);
  EXPECT_EQ(parsed.trailer.totals.same_chunks, 1u);
}

TEST(DeltaFormat, FullDeltaNamesZeroRangesInAFewBytes) {
  const std::uint64_t size = 1ull << 32;  // a million chunks
  MemoryDevice to(size);
  ASSERT_OK(to.write_at(size / 2, Bytes(4096, std::byte{1})));
  SeededRandom random(1);
  MemorySink sink;
  const auto made =
      create_delta(full_changelist({12, size}, {}, "b"), nullptr, to, {}, random, sink);
  ASSERT_OK(made);
  EXPECT_TRUE(made->header.is_full());
  EXPECT_EQ(made->totals.chunks, size >> 12);
  EXPECT_EQ(made->totals.zero_chunks, (size >> 12) - 1);
  EXPECT_LT(sink.bytes().size(), 2000u);
  const Parsed parsed = parse(sink.bytes());
  EXPECT_EQ(parsed.frames[0].entries[0].before_kind, BeforeKind::kNew);
}

// The same volumes with every chunk listed, trimmed, and with long frames: version 2.
TEST(DeltaFormat, GoldenFileOfVersion2) {
  const Pair pair = example();
  Changelist list = pair.list();
  list.from_tag = "0";
  list.to_tag = "1";
  list.ranges = {{{0}, 3}};
  list.before.clear();
  const Bytes delta = pair.delta(list, {.mode = DeltaMode::kRaw,
                                        .codec = {Codec::kLz4, 1},
                                        .created_ns = 1'700'000'000'000'000'000,
                                        .frame_data_bytes = 2u << 20,
                                        .is_trimmed = true});
  expect_golden("delta_v2.hex", delta);
  const Parsed parsed = parse(delta);
  EXPECT_TRUE(parsed.header.is_trimmed);
  EXPECT_TRUE(parsed.header.is_long());
  EXPECT_EQ(parsed.header.chunk_count, 3u);
  EXPECT_EQ(parsed.trailer.totals.chunks, 2u);
}

// What a newer version alone may say makes it one; all else stays as old programs know it.
TEST(DeltaFormat, AProgramOfVersion1WouldKnow) {
  const Pair pair = example();
  const Parsed parsed = parse(pair.delta(pair.list()));
  DeltaHeader header = parsed.header;
  EXPECT_EQ(encode_delta_header(header)[8], std::byte{1});
  header.is_trimmed = true;
  EXPECT_EQ(encode_delta_header(header)[8], std::byte{2});
  header.is_trimmed = false;
  header.frame_data_bytes = kMaxFrameDataBytes + 1;
  EXPECT_EQ(encode_delta_header(header)[8], std::byte{2});
  header.frame_data_bytes = kMaxFrameDataBytesOfVersion2;
  EXPECT_EQ(encode_delta_header(header)[8], std::byte{2});
  header.frame_data_bytes = kMaxFrameDataBytesOfVersion2 + 1;
  EXPECT_EQ(encode_delta_header(header)[8], std::byte{3});
}

TEST(DeltaFormat, GrownVolumeMustBeComplete) {
  // A hand-made delta that leaves out a chunk of the new part (D6).
  const Pair pair = make_pair_of_volumes(3, 8192, 16384);
  const Parsed parsed = parse(pair.delta(pair.list(), {.mode = DeltaMode::kRaw}));
  DeltaHeader header = parsed.header;
  header.chunk_count -= 1;
  DeltaFrame frame = parsed.frames[0];
  ASSERT_EQ(frame.entries.back().before_kind, BeforeKind::kNew);
  frame.entries.back().content = ContentKind::kZero;
  frame.entries.pop_back();
  std::erase_if(frame.entries, [](const auto& e) { return e.content == ContentKind::kData; });
  frame.data_bytes = 0;
  frame.payload.clear();
  frame.encoding = Encoding::kStored;
  MemorySink sink;
  DeltaTotals totals;
  add_frame(totals, frame);
  header.chunk_count = totals.chunks;
  DeltaWriter writer(sink, header);
  ASSERT_OK(writer.begin());
  if (!frame.entries.empty()) ASSERT_OK(writer.write(frame));
  ASSERT_OK(writer.finish());
  MemorySource source(sink.bytes());
  auto reader = DeltaReader::open(source);
  ASSERT_OK(reader);
  auto next = reader->next();
  while (next && *next) next = reader->next();
  ASSERT_FALSE(next);
  EXPECT_NE(next.error().text.find("not every chunk from 2"), std::string::npos)
      << next.error().text;
}

}  // namespace
}  // namespace ddsnap::test
