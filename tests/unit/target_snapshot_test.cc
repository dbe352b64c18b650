// The snapshot target against a server that the test plays by hand (FakeServer): "read first, ask
// after" shown by changing the origin between question and answer, the cache and what empties it,
// hashes, private writes, dropping, and a lost server.
#include "ddsnap/target/snapshot_target.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <future>

#include "ddsnap/io/ownership_lock.h"
#include "ddsnap/target/open_ddsnap_device.h"
#include "tests/support/fake_server.h"

namespace ddsnap {
namespace {

using test::FakeServer;
using Bytes = std::vector<std::byte>;

class SnapshotTargetTest : public ::testing::Test {
 protected:
  void open() {
    TargetOptions options;
    options.link.place.server_address = server_.address();
    options.link.tag = "monday";
    auto opened =
        std::async(std::launch::async, [&] { return SnapshotTarget::open(std::move(options)); });
    const HelloMessage hello = server_.accept_and_welcome(server_.snapshot_ok(9));
    EXPECT_EQ(hello.tag, "monday");
    target_ = std::move(*opened.get());
  }
  void close() {
    auto closed = std::async(std::launch::async, [this] { target_.reset(); });
    server_.expect_detach();
    closed.get();
  }
  std::future<Result<Bytes>> read(std::uint64_t offset_bytes, std::size_t length_bytes) {
    return std::async(std::launch::async, [this, offset_bytes, length_bytes]() -> Result<Bytes> {
      Bytes bytes(length_bytes);
      DD_TRY(target_->read(offset_bytes, bytes));
      return bytes;
    });
  }
  std::future<Result<Bytes>> read_chunk(std::uint32_t chunk) {
    return read(chunk * kChunkBytes, kChunkBytes);
  }
  std::future<Status> write(std::uint64_t offset_bytes, Bytes bytes) {
    return std::async(std::launch::async,
                      [this, offset_bytes, bytes] { return target_->write(offset_bytes, bytes); });
  }
  // Takes a LOCATE and answers it.
  void locate(std::vector<LocatedEntry> entries) {
    server_.expect<LocateMessage>();
    server_.send(LocatedMessage{true, std::move(entries)}, server_.request_id());
  }
  static LocatedEntry at_origin(std::uint32_t chunk) {
    return {ChunkNr{chunk}, Place::kOrigin, {}, {}, 0};
  }
  void overwrite_origin(std::uint32_t chunk, char c) {
    FakeServer::write_file(server_.origin(), chunk * kChunkBytes, FakeServer::pattern(c));
  }

  static constexpr std::size_t kChunkBytes = FakeServer::kChunkBytes;
  FakeServer server_;
  std::unique_ptr<SnapshotTarget> target_;
};

TEST_F(SnapshotTargetTest, ReadsFirstAndAsksAfter) {
  open();
  auto bytes = read_chunk(3);
  server_.expect<LocateMessage>();
  // Overwritten after the server answered "origin": what was read before the question counts.
  overwrite_origin(3, 'n');
  server_.send(LocatedMessage{true, {at_origin(3)}}, server_.request_id());
  EXPECT_EQ(*bytes.get(), FakeServer::pattern('o'));
  close();
}

TEST_F(SnapshotTargetTest, TakesTheSlotWhereTheOriginWasOverwritten) {
  overwrite_origin(3, 'n');
  open();
  auto bytes = read_chunk(3);
  locate({server_.put_slot(ChunkNr{3}, SlotNr{5}, 'x')});
  EXPECT_EQ(*bytes.get(), FakeServer::pattern('x'));
  close();
}

TEST_F(SnapshotTargetTest, OneQuestionCoversARequestOverManyPlaces) {
  open();
  auto bytes = read(kChunkBytes / 2, 4 * kChunkBytes);  // the ends of chunks 0 and 4 included
  const auto question = server_.expect<LocateMessage>();
  EXPECT_EQ(question.ranges, (std::vector<ChunkRange>{{ChunkNr{0}, 5}}));
  const std::uint64_t request_id = server_.request_id();
  // In parts, and in no order.
  server_.send(LocatedMessage{false,
                              {server_.put_slot(ChunkNr{4}, SlotNr{1}, 'd'),
                               {ChunkNr{2}, Place::kZero, {}, {}, 0}}},
               request_id);
  FakeServer::write_file(server_.snapstore(), FakeServer::slot_offset(2), FakeServer::pattern('p'));
  server_.send(LocatedMessage{true,
                              {server_.put_slot(ChunkNr{0}, SlotNr{0}, 'a'),
                               at_origin(1),
                               {ChunkNr{3}, Place::kPrivate, SlotNr{2}, {}, 0}}},
               request_id);
  Bytes expected;
  for (const auto& [c, length] :
       std::vector<std::pair<char, std::size_t>>{{'a', kChunkBytes / 2},
                                                 {'o', kChunkBytes},
                                                 {'\0', kChunkBytes},
                                                 {'p', kChunkBytes},
                                                 {'d', kChunkBytes / 2}}) {
    const Bytes part = FakeServer::pattern(c, length);
    expected.insert(expected.end(), part.begin(), part.end());
  }
  const auto got = bytes.get();
  ASSERT_TRUE(got.has_value()) << got.error().message();
  EXPECT_EQ(*got, expected);
  close();
}

TEST_F(SnapshotTargetTest, OneQuestionCoversManyRequests) {
  open();
  Bytes bytes(4 * kChunkBytes);
  const auto part = [&](std::size_t i) {
    return std::span(bytes).subspan(i * kChunkBytes, kChunkBytes);
  };
  // The last one goes back to a chunk that was asked about: that is another question.
  const std::vector<IoRequest> reads = {
      IoRequest::read(3 * kChunkBytes, part(0)), IoRequest::read(5 * kChunkBytes, part(1)),
      IoRequest::read(90 * kChunkBytes, part(2)), IoRequest::read(3 * kChunkBytes, part(3))};
  auto done = std::async(std::launch::async, [&] { return target_->read_all(reads); });
  const auto question = server_.expect<LocateMessage>();
  EXPECT_EQ(question.ranges, (std::vector<ChunkRange>{{{3}, 1}, {{5}, 1}, {{90}, 1}}));
  server_.send(
      LocatedMessage{
          true, {server_.put_slot({3}, {7}, 'c'), at_origin(5), server_.put_slot({90}, {6}, 'd')}},
      server_.request_id());
  ASSERT_TRUE(done.get());  // chunk 3 is remembered
  for (const auto& [i, c] : {std::pair(0, 'c'), {1, 'o'}, {2, 'd'}, {3, 'c'}})
    EXPECT_TRUE(std::ranges::equal(part(static_cast<std::size_t>(i)), FakeServer::pattern(c))) << i;
  EXPECT_TRUE(server_.is_quiet());
  close();
}

TEST_F(SnapshotTargetTest, WhatWasLookedUpIsReadFromItsSlotAtOnce) {
  open();
  const std::vector<ByteRange> ranges = {{0, 2 * kChunkBytes}, {10 * kChunkBytes, kChunkBytes}};
  auto known = std::async(std::launch::async, [&] { return target_->look_up(ranges); });
  const auto question = server_.expect<LocateMessage>();
  EXPECT_EQ(question.ranges, (std::vector<ChunkRange>{{{0}, 2}, {{10}, 1}}));
  server_.send(LocatedMessage{true,
                              {server_.put_slot({0}, {1}, 'a'),
                               server_.put_slot({1}, {2}, 'b'),
                               {{10}, Place::kZero, {}, {}, 0}}},
               server_.request_id());
  ASSERT_TRUE(known.get());
  EXPECT_EQ(*read_chunk(0).get(), FakeServer::pattern('a'));
  EXPECT_EQ(*read_chunk(1).get(), FakeServer::pattern('b'));
  EXPECT_EQ(*read_chunk(10).get(), FakeServer::pattern(0));
  EXPECT_TRUE(server_.is_quiet());
  close();
}

TEST_F(SnapshotTargetTest, DamagedSlotIsNeverServed) {
  open();
  auto bytes = read_chunk(3);
  const LocatedEntry entry = server_.put_slot(ChunkNr{3}, SlotNr{5}, 'x');
  FakeServer::write_file(server_.snapstore(), FakeServer::slot_offset(5) + 77,
                         FakeServer::pattern('y', 1));
  locate({entry});
  EXPECT_EQ(bytes.get().error().code, ErrorCode::kDamaged);
  close();
}

TEST_F(SnapshotTargetTest, SlotBeyondTheSnapstoreIsDamage) {
  open();
  auto bytes = read_chunk(3);
  locate({{ChunkNr{3}, Place::kSlot, SlotNr{FakeServer::kSlots}, {}, 0}});
  EXPECT_EQ(bytes.get().error().code, ErrorCode::kDamaged);
  close();
}

TEST_F(SnapshotTargetTest, FailedOriginReadIsJudgedAfterTheAnswer) {
  open();
  std::filesystem::resize_file(server_.origin(), 2 * kChunkBytes);
  auto bytes = read_chunk(3);
  locate({server_.put_slot(ChunkNr{3}, SlotNr{5}, 'x')});
  EXPECT_EQ(*bytes.get(), FakeServer::pattern('x'));
  bytes = read_chunk(4);
  locate({at_origin(4)});
  EXPECT_FALSE(bytes.get().has_value());
  close();
}

TEST_F(SnapshotTargetTest, RemembersSlotsUntilToldOtherwise) {
  open();
  auto bytes = read_chunk(3);
  locate({server_.put_slot(ChunkNr{3}, SlotNr{5}, 'x')});
  bytes.get();
  EXPECT_EQ(*read_chunk(3).get(), FakeServer::pattern('x'));
  EXPECT_TRUE(server_.is_quiet());
  server_.send(InvalidateMessage{11, {{ChunkNr{0}, 100}}});
  EXPECT_EQ(server_.expect<InvalidateAckMessage>().number, 11u);
  bytes = read_chunk(3);
  locate({server_.put_slot(ChunkNr{3}, SlotNr{6}, 'y')});
  EXPECT_EQ(*bytes.get(), FakeServer::pattern('y'));
  close();
}

// A read that waits for its answer delays no acknowledgement; it starts over with what it hears
// after the invalidation.
TEST_F(SnapshotTargetTest, WaitingReadDoesNotDelayAnInvalidation) {
  open();
  auto bytes = read_chunk(3);
  server_.expect<LocateMessage>();
  const std::uint64_t first_question = server_.request_id();
  server_.send(InvalidateMessage{1, {{ChunkNr{3}, 1}}});
  server_.expect<InvalidateAckMessage>();
  server_.send(LocatedMessage{true, {server_.put_slot(ChunkNr{3}, SlotNr{5}, 'x')}},
               first_question);
  EXPECT_EQ(*bytes.get(), FakeServer::pattern('x'));
  close();
}

TEST_F(SnapshotTargetTest, LostLineEmptiesTheCache) {
  open();
  auto bytes = read_chunk(3);
  locate({server_.put_slot(ChunkNr{3}, SlotNr{5}, 'x')});
  bytes.get();
  server_.hang_up();
  const HelloMessage hello = server_.accept_and_welcome(server_.snapshot_ok(9));
  EXPECT_TRUE(hello.is_returning);
  EXPECT_EQ(hello.snapshot_uuid, server_.snapshot_ok(9).snapshot_uuid);
  // Until the target has noticed its loss it may answer from the cache.
  bytes = read_chunk(3);
  while (server_.is_quiet() &&
         bytes.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready)
    continue;
  if (server_.is_quiet()) bytes = read_chunk(3);
  locate({server_.put_slot(ChunkNr{3}, SlotNr{6}, 'y')});
  EXPECT_EQ(*bytes.get(), FakeServer::pattern('y'));
  close();
}

TEST_F(SnapshotTargetTest, QuestionOfALostLineIsAskedAgain) {
  open();
  auto bytes = read_chunk(3);
  server_.expect<LocateMessage>();
  server_.hang_up();
  server_.accept_and_welcome(server_.snapshot_ok(9));
  locate({at_origin(3)});
  EXPECT_EQ(*bytes.get(), FakeServer::pattern('o'));
  close();
}

TEST_F(SnapshotTargetTest, WritesGoInPlaceToPrivateSlots) {
  open();
  {
    const UniqueFd fd(::open(server_.snapstore().c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_TRUE(*OwnershipLock::is_held_elsewhere(fd.get(), LockBytes::attachment(9),
                                                  LockMode::kExclusive, "snapstore"));
  }
  auto written = write(3 * kChunkBytes + 512, FakeServer::pattern('w', 1024));
  const auto question = server_.expect<PrepareSnapshotWriteMessage>();
  EXPECT_EQ(question.ranges, (std::vector<ChunkRange>{{ChunkNr{3}, 1}}));
  server_.send(LocatedMessage{true, {{ChunkNr{3}, Place::kPrivate, SlotNr{8}, {}, 0}}},
               server_.request_id());
  ASSERT_TRUE(written.get());
  EXPECT_EQ(FakeServer::read_file(server_.snapstore(), FakeServer::slot_offset(8) + 512, 1024),
            FakeServer::pattern('w', 1024));
  ASSERT_TRUE(target_->write(3 * kChunkBytes, FakeServer::pattern('v', 512)));
  ASSERT_TRUE(target_->flush());
  EXPECT_TRUE(server_.is_quiet());  // the slot is known
  close();
}

TEST_F(SnapshotTargetTest, RefusedPrivateSlotFailsTheWrite) {
  open();
  auto written = write(0, FakeServer::pattern('w'));
  server_.expect<PrepareSnapshotWriteMessage>();
  server_.send(LocatedMessage{true, {{ChunkNr{0}, Place::kNowhere, {}, {}, ENOSPC}}},
               server_.request_id());
  EXPECT_EQ(written.get().error().sys_errno, ENOSPC);
  written = write(0, FakeServer::pattern('w'));
  server_.expect<PrepareSnapshotWriteMessage>();
  server_.answer_error(ErrorCode::kNoSpace, ENOSPC);
  EXPECT_EQ(written.get().error().code, ErrorCode::kNoSpace);
  close();
}

TEST_F(SnapshotTargetTest, DroppedSnapshotFailsForEver) {
  open();
  auto waiting = read_chunk(3);
  server_.expect<LocateMessage>();
  server_.send(DroppedMessage{});
  server_.expect<DroppedAckMessage>();
  EXPECT_EQ(waiting.get().error().code, ErrorCode::kDropped);
  EXPECT_EQ(read_chunk(3).get().error().code, ErrorCode::kDropped);
  EXPECT_EQ(write(0, FakeServer::pattern('w')).get().error().code, ErrorCode::kDropped);
  close();
}

TEST_F(SnapshotTargetTest, ServerWithoutTheSnapshotEndsIt) {
  open();
  server_.hang_up();
  auto waiting = read_chunk(3);
  server_.accept();
  server_.answer_error(ErrorCode::kNotFound);
  EXPECT_EQ(waiting.get().error().code, ErrorCode::kNotFound);
  target_.reset();  // and this does not hang
}

TEST_F(SnapshotTargetTest, AnswerThatLeavesAChunkOutIsDamage) {
  open();
  auto bytes = read(0, 2 * kChunkBytes);
  locate({at_origin(0)});
  EXPECT_EQ(bytes.get().error().code, ErrorCode::kDamaged);
  close();
}

TEST_F(SnapshotTargetTest, IsABlockDeviceByName) {
  const std::string name = "ddsnap:" + server_.address() + "#monday";
  auto opened = std::async(std::launch::async, [&] { return open_ddsnap_device(name); });
  server_.accept_and_welcome(server_.snapshot_ok(9));
  auto device = *opened.get();
  EXPECT_EQ(device->size_bytes(), FakeServer::kChunks * kChunkBytes);
  EXPECT_EQ(device->proven_snapshot_uuid(), server_.snapshot_ok(9).snapshot_uuid.to_string());
  auto extents =
      std::async(std::launch::async, [&] { return device->extents({512, 2 * kChunkBytes}); });
  locate({at_origin(0), {ChunkNr{1}, Place::kZero, {}, {}, 0}, at_origin(2)});
  const auto known = *extents.get();
  ASSERT_EQ(known.size(), 3u);
  EXPECT_EQ(known[1].kind, Extent::Kind::kZero);
  EXPECT_EQ(known[1].range, (ByteRange{kChunkBytes, kChunkBytes}));
  EXPECT_EQ(known[2].range, (ByteRange{2 * kChunkBytes, 512}));
  auto closed = std::async(std::launch::async, [&] { device.reset(); });
  server_.expect_detach();
  closed.get();
}

TEST(OpenDdsnapDevice, RefusesNamesThatNameNothing) {
  for (const char* name : {"ddsnap:", "ddsnap:#0", "ddsnap:/s#", "ddsnap:/s#a/b"})
    EXPECT_EQ(open_ddsnap_device(name).error().code, ErrorCode::kUsage) << name;
}

}  // namespace
}  // namespace ddsnap
