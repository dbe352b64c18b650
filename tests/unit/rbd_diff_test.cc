// Shows that deltas become Ceph's streams of differences and such streams deltas: both versions are
// the golden files made after Ceph's documentation; random deltas, written by us and applied by a
// few lines here that know only that documentation, give the newer volume; random streams with
// records at any byte, turned into deltas, do what those lines do; and what is no such stream is
// refused. Randomness comes from printed seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "ddsnap/delta/export_rbd.h"
#include "ddsnap/delta/import_rbd.h"
#include "ddsnap/delta/verify.h"
#include "tests/support/delta_world.h"
#include "tests/support/golden.h"

namespace ddsnap::test {
namespace {

#ifdef DDSNAP_SANITIZED
constexpr std::uint64_t kRounds = 60;
#else
constexpr std::uint64_t kRounds = 300;
#endif
constexpr RbdVersion kVersions[] = {RbdVersion::kV1, RbdVersion::kV2};

// A stream put together by hand.
class Stream {
 public:
  explicit Stream(RbdVersion version) : version_(version) {
    text(version == RbdVersion::kV1 ? "rbd diff v1\n" : "rbd diff v2\n");
  }
  Stream& name(char tag, const std::string& name) {
    begin(tag, 4 + name.size());
    number(name.size(), 4);
    text(name);
    return *this;
  }
  Stream& size(std::uint64_t bytes) {
    begin('s', 8);
    number(bytes, 8);
    return *this;
  }
  Stream& data(std::uint64_t offset, const Bytes& content) {
    begin('w', 16 + content.size());
    number(offset, 8);
    number(content.size(), 8);
    bytes_.insert(bytes_.end(), content.begin(), content.end());
    return *this;
  }
  Stream& zeros(std::uint64_t offset, std::uint64_t length) {
    begin('z', 16);
    number(offset, 8);
    number(length, 8);
    return *this;
  }
  Stream& unknown(char tag, std::size_t length) {
    begin(tag, length);
    bytes_.resize(bytes_.size() + length);
    return *this;
  }
  // Whether a snapshot is protected: one byte, whatever length is said.
  Stream& protection(std::uint64_t said_bytes) {
    begin('p', said_bytes);
    number(0, 1);
    return *this;
  }
  Bytes end() {
    text("e");
    return bytes_;
  }

 private:
  void begin(char tag, std::uint64_t payload) {
    text(std::string(1, tag));
    if (version_ == RbdVersion::kV2) number(payload, 8);
  }
  void number(std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_.push_back(static_cast<std::byte>(value >> 8 * i));
  }
  void text(const std::string& text) {
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
  }

  RbdVersion version_;
  Bytes bytes_;
};

std::uint64_t number_at(const Bytes& bytes, std::size_t at, int width) {
  std::uint64_t value = 0;
  for (int i = width; i-- > 0;)
    value = value << 8 | std::to_integer<std::uint64_t>(bytes.at(at + static_cast<std::size_t>(i)));
  return value;
}

// What `rbd import-diff` does, as the documentation tells.
Bytes applied(const Bytes& stream, Bytes volume) {
  const bool is_v2 = stream.at(10) == std::byte{'2'};
  std::size_t at = 12;
  for (;;) {
    const char tag = static_cast<char>(stream.at(at++));
    if (tag == 'e') break;
    std::uint64_t payload = 0;
    if (is_v2) payload = number_at(stream, std::exchange(at, at + 8), 8);
    const std::size_t start = at;
    switch (tag) {
      case 'f':
      case 't':
        at += 4 + number_at(stream, at, 4);
        break;
      case 's':
        volume.resize(number_at(stream, std::exchange(at, at + 8), 8));
        break;
      default: {
        const std::uint64_t offset = number_at(stream, std::exchange(at, at + 8), 8);
        const std::uint64_t length = number_at(stream, std::exchange(at, at + 8), 8);
        EXPECT_GT(length, 0u);
        EXPECT_LE(offset + length, volume.size());
        if (tag == 'z') std::memset(volume.data() + offset, 0, length);
        if (tag == 'w') std::memcpy(volume.data() + offset, stream.data() + at, length);
        if (tag == 'w') at += length;
      }
    }
    if (is_v2) {
      EXPECT_EQ(at - start, payload);
    }
  }
  EXPECT_EQ(at, stream.size());
  return volume;
}

Result<Bytes> exported(const Bytes& delta, const Bytes* base, RbdVersion version,
                       bool is_pipe = false) {
  MemorySource source(delta, !is_pipe);
  const auto device = base ? device_of(*base) : nullptr;
  WorkContext context;
  MemorySink sink;
  auto made = export_rbd(source, device.get(), {.version = version}, context, sink);
  if (!made) return std::unexpected(made.error());
  return sink.bytes();
}

Result<Bytes> imported(const Bytes& stream, const Bytes* base, ImportOptions options = {}) {
  MemorySource source(stream);
  const auto device = base ? device_of(*base) : nullptr;
  SeededRandom random(3);
  WorkContext context;
  context.workers = 2;
  MemorySink sink;
  auto made = import_rbd(source, device.get(), options, random, context, sink);
  if (!made) return std::unexpected(made.error());
  MemorySource delta(sink.bytes());
  const auto facts = verify_delta(delta);
  EXPECT_TRUE(facts) << facts.error().text;
  return sink.bytes();
}

void expect_applies(const Bytes& delta, const Bytes& old_bytes, const Bytes& new_bytes,
                    bool is_forced = false) {
  Bytes before = old_bytes;
  before.resize(std::max(old_bytes.size(), new_bytes.size()));
  const auto target = device_of(before);
  MemoryApplyState state;
  ASSERT_OK(apply(delta, *target, state, {.is_forced = is_forced}));
  Bytes found = target->content().to_vector();
  found.resize(new_bytes.size());
  EXPECT_TRUE(found == new_bytes);
}

std::size_t random_size(SeededRandom& random) {
  return (1 + random.below(200)) * 512;
}

TEST(RbdDiff, DeltasBecomeStreams) {
  constexpr DeltaMode kModes[] = {DeltaMode::kRaw, DeltaMode::kDifference, DeltaMode::kBest};
  for (std::uint64_t seed = 1; seed <= kRounds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const std::size_t size = random_size(random);
    const Pair pair =
        make_pair_of_volumes(seed, size, random.below(2) ? size : random_size(random));
    const CreateDeltaOptions options{.mode = kModes[seed % 3], .frame_data_bytes = 16384};
    const Bytes* const base = options.mode == DeltaMode::kRaw ? nullptr : &pair.old_bytes;
    const Bytes delta = pair.delta(pair.list(), options);
    for (const RbdVersion version : kVersions) {
      const auto stream = exported(delta, base, version, seed % 2 == 0);
      ASSERT_OK(stream);
      EXPECT_TRUE(applied(*stream, pair.old_bytes) == pair.new_bytes);
      const auto back = imported(*stream, &pair.old_bytes, {.chunk_shift = 13});
      ASSERT_OK(back);
      expect_applies(*back, pair.old_bytes, pair.new_bytes);
    }
    const auto full = exported(pair.full_delta(options), nullptr, RbdVersion::kV1);
    ASSERT_OK(full);
    EXPECT_TRUE(applied(*full, {}) == pair.new_bytes);
    const auto back = imported(*full, nullptr);
    ASSERT_OK(back);
    expect_applies(*back, Bytes(pair.new_bytes.size()), pair.new_bytes);
  }
}

Bytes random_stream(SeededRandom& random, RbdVersion version, std::uint64_t size, bool has_from,
                    std::uint64_t unit) {
  Stream stream(version);
  if (has_from) stream.name('f', "monday");
  stream.name('t', "tuesday").size(size);
  std::uint64_t at = random.below(size / unit / 2 + 1) * unit;
  while (at < size) {
    const std::uint64_t length = std::min(size - at, (1 + random.below(20'000 / unit + 1)) * unit);
    if (random.below(3) == 0) {
      stream.zeros(at, length);
    } else {
      Bytes content = random_bytes(random, length);
      if (random.below(4) == 0) content.assign(length, std::byte{0});
      stream.data(at, content);
    }
    at += length + random.below(3) * random.below(30'000 / unit + 1) * unit;
  }
  return stream.end();
}

TEST(RbdDiff, StreamsBecomeDeltas) {
  for (std::uint64_t seed = 1; seed <= kRounds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const RbdVersion version = kVersions[seed % 2];
    const Bytes old_bytes = make_volume(seed, random_size(random), 4096);
    const std::size_t size = random.below(2) ? old_bytes.size() : random_size(random);
    const ImportOptions options{.codec = {.level = 1},
                                .chunk_shift = 12 + static_cast<unsigned>(seed % 3)};

    const Bytes stream = random_stream(random, version, size, true, 1);
    const auto delta = imported(stream, &old_bytes, options);
    ASSERT_OK(delta);
    expect_applies(*delta, old_bytes, applied(stream, old_bytes));
    // The base is known: another target is refused.
    if (old_bytes.size() == size) {
      Bytes other = old_bytes;
      for (std::size_t at = 0; at < other.size(); at += 4096) other[at] ^= std::byte{1};
      const auto target = device_of(other);
      MemoryApplyState state;
      EXPECT_FALSE(apply(*delta, *target, state));
    }

    const Bytes full = random_stream(random, version, size, false, 1);
    const auto full_delta = imported(full, nullptr, options);
    ASSERT_OK(full_delta);
    expect_applies(*full_delta, Bytes(size), applied(full, {}));

    const Bytes whole = random_stream(random, version, size, true, 16384);
    const auto forced = imported(whole, nullptr, options);
    ASSERT_OK(forced);
    expect_applies(*forced, Bytes(size, std::byte{7}), applied(whole, Bytes(size, std::byte{7})),
                   true);
  }
}

TEST(RbdDiff, PartsOfChunksNeedABase) {
  const Bytes stream =
      Stream(RbdVersion::kV1).name('f', "a").size(1 << 16).data(100, Bytes(10)).end();
  const auto delta = imported(stream, nullptr);
  ASSERT_FALSE(delta);
  EXPECT_EQ(delta.error().code, ErrorCode::kUsage);
  EXPECT_NE(delta.error().text.find("--base"), std::string::npos);
  const Bytes base(1 << 16, std::byte{1});
  EXPECT_TRUE(imported(stream, &base));
}

TEST(RbdDiff, DifferencesNeedABase) {
  const Pair pair = make_pair_of_volumes(4, 64 << 10, 64 << 10);
  const Bytes delta = pair.delta(pair.list(), {.mode = DeltaMode::kDifference});
  EXPECT_EQ(exported(delta, nullptr, RbdVersion::kV1).error().code, ErrorCode::kUsage);
  EXPECT_EQ(exported(delta, &pair.new_bytes, RbdVersion::kV1).error().code, ErrorCode::kFailed);
}

TEST(RbdDiff, AStreamNeedsANameToStartFrom) {
  Pair pair = make_pair_of_volumes(4, 64 << 10, 64 << 10);
  Changelist list = pair.list();
  list.from_tag.clear();
  list.from_uuid = {};
  const Bytes delta = pair.delta(list, {.mode = DeltaMode::kRaw});
  EXPECT_EQ(exported(delta, nullptr, RbdVersion::kV1).error().code, ErrorCode::kUsage);
}

// The documentation's example, so to say: names, size, one record of each kind.
TEST(RbdDiff, IsTheGoldenFile) {
  Pair pair;
  pair.old_bytes = Bytes(3 * 4096, std::byte{'A'});
  pair.new_bytes = pair.old_bytes;
  std::fill_n(pair.new_bytes.begin() + 4096, 4096, std::byte{'B'});
  std::fill_n(pair.new_bytes.begin() + 8192, 4096, std::byte{0});
  const Bytes delta = pair.delta(pair.list(), {.mode = DeltaMode::kRaw});
  const auto v1 = exported(delta, nullptr, RbdVersion::kV1);
  const auto v2 = exported(delta, nullptr, RbdVersion::kV2);
  ASSERT_OK(v1);
  ASSERT_OK(v2);
  expect_golden("rbd_diff_v1.hex", *v1);
  expect_golden("rbd_diff_v2.hex", *v2);
  for (const RbdVersion version : kVersions) {
    const Bytes by_hand = Stream(version)
                              .name('f', "a")
                              .name('t', "b")
                              .size(12288)
                              .data(4096, Bytes(4096, std::byte{'B'}))
                              .zeros(8192, 4096)
                              .end();
    EXPECT_TRUE(by_hand == (version == RbdVersion::kV1 ? *v1 : *v2));
  }
}

TEST(RbdDiff, WhatIsNoStreamIsRefused) {
  const auto bad = [](const Bytes& stream) {
    const auto delta = imported(stream, nullptr);
    return !delta && delta.error().code == ErrorCode::kDamaged;
  };
  for (const RbdVersion version : kVersions) {
    const auto begun = [&] { return Stream(version).name('t', "b").size(65536); };
    EXPECT_TRUE(imported(begun().end(), nullptr));
    EXPECT_TRUE(bad(Stream(version).name('t', "b").end())) << "no size";
    EXPECT_TRUE(bad(begun().zeros(65536, 1).end())) << "beyond the image";
    EXPECT_TRUE(bad(begun().zeros(1, UINT64_MAX).end())) << "an overflow";
    EXPECT_TRUE(bad(begun().data(0, {}).end())) << "nothing in it";
    EXPECT_TRUE(bad(begun().zeros(4096, 4096).zeros(0, 4096).end())) << "out of order";
    EXPECT_TRUE(bad(begun().zeros(4096, 4096).zeros(8000, 4096).end())) << "an overlap";
    EXPECT_TRUE(bad(Stream(version).size(UINT64_MAX).end())) << "too large";
    EXPECT_EQ(bad(Stream(version).size(65536).unknown('x', 8).end()), version == RbdVersion::kV1);
    if (version == RbdVersion::kV2) {
      for (const std::uint64_t said : {1, 8}) {  // Ceph 16 says 8 and writes 1
        Stream stream = Stream(version).name('t', "b");
        stream.protection(said);
        EXPECT_TRUE(imported(stream.size(65536).end(), nullptr)) << said;
      }
    }
    const Bytes good = begun().data(0, Bytes(10)).zeros(4096, 512).end();
    for (std::size_t length = 0; length < good.size(); ++length)
      EXPECT_TRUE(bad(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length))));
    Bytes longer = good;
    longer.push_back(std::byte{0});
    EXPECT_TRUE(bad(longer));
  }
}

}  // namespace
}  // namespace ddsnap::test
