// A server that does what the test says: it accepts one target at a time, and the test takes its
// messages and answers them by hand. With an origin and a snapstore as files, filled with patterns.
//
// Errors    Whatever does not come within kDeadline_ms ends the test program (DD_CHECK).
// Threads   Used by one thread; the target under test runs on its own.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/wire/connection.h"
#include "ddsnap/wire/socket.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {

class FakeServer {
 public:
  static constexpr std::uint64_t kDeadline_ms = 20'000;
  static constexpr unsigned kChunkShift = 12;
  static constexpr std::size_t kChunkBytes = 1u << kChunkShift;
  static constexpr std::uint64_t kChunks = 256;
  static constexpr std::uint64_t kSlotsOffsetBytes = 4 * kChunkBytes;
  static constexpr std::uint64_t kSlots = 32;

  FakeServer() {
    fill_file(origin(), kChunks * kChunkBytes, 'o');
    fill_file(snapstore(), kSlotsOffsetBytes + kSlots * kChunkBytes, 's');
    listen();
  }

  std::string address() const { return dir_.file("server"); }
  std::string origin() const { return dir_.file("origin"); }
  std::string snapstore() const { return dir_.file("snapstore"); }

  HelloOkMessage hello_ok(std::uint32_t attachment_id) const {
    HelloOkMessage ok;
    ok.store_uuid.bytes[0] = std::byte{1};
    ok.volume_bytes = kChunks * kChunkBytes;
    ok.slots_offset_bytes = kSlotsOffsetBytes;
    ok.slot_count = kSlots;
    ok.epoch = Epoch{1};
    ok.chunk_shift = kChunkShift;
    ok.attachment_id = attachment_id;
    ok.origin_path = origin();
    ok.snapstore_path = snapstore();
    return ok;
  }
  HelloOkMessage snapshot_ok(std::uint32_t attachment_id) const {
    HelloOkMessage ok = hello_ok(attachment_id);
    ok.snapshot_uuid.bytes[0] = std::byte{2};
    return ok;
  }

  // ---- connections ----
  HelloMessage accept() {
    pollfd waited{listening_->fd(), POLLIN, 0};
    DD_CHECK(::poll(&waited, 1, static_cast<int>(kDeadline_ms)) == 1);
    auto fd = listening_->accept();
    DD_CHECK(fd.has_value());
    connection_.emplace(std::move(*fd));
    return expect<HelloMessage>();
  }
  HelloMessage accept_and_welcome(const HelloOkMessage& ok) {
    const HelloMessage hello = accept();
    send(ok, request_id());
    return hello;
  }
  void hang_up() { connection_.reset(); }
  // Nobody is there any more, and connecting fails.
  void die() {
    hang_up();
    listening_.reset();
  }
  void listen() {
    auto opened = ListeningSocket::open(address());
    DD_CHECK(opened.has_value());
    listening_.emplace(std::move(*opened));
  }

  // ---- messages ----
  template <class Message>
  Message expect() {
    auto frame = connection_->receive(Deadline::after_ms(kDeadline_ms));
    DD_CHECK(frame.has_value());
    DD_CHECK(frame->header.type == Message::kType);
    request_id_ = frame->header.request_id;
    auto message = decode<Message>(frame->body);
    DD_CHECK(message.has_value());
    return std::move(*message);
  }
  // Of the last message that came.
  std::uint64_t request_id() const { return request_id_; }
  template <class Message>
  void send(const Message& message, std::uint64_t request_id = 0) {
    (void)connection_->send(message, request_id);
  }
  void answer_error(ErrorCode code, int sys_errno = 0) {
    send(ErrorMessage{{code, sys_errno, "as the test wants it"}}, request_id());
  }
  // Answers the clean farewell of a target.
  void expect_detach() {
    expect<DetachMessage>();
    send(OkMessage{}, request_id());
  }
  // Whether nothing has come.
  bool is_quiet() const {
    pollfd waited{connection_->fd(), POLLIN, 0};
    return ::poll(&waited, 1, 0) == 0;
  }

  // ---- devices ----
  static std::vector<std::byte> pattern(char c, std::size_t length_bytes = kChunkBytes) {
    return std::vector<std::byte>(length_bytes, static_cast<std::byte>(c));
  }
  static void write_file(const std::string& path, std::uint64_t offset_bytes,
                         std::span<const std::byte> bytes) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    DD_CHECK(::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset_bytes)) ==
             static_cast<ssize_t>(bytes.size()));
  }
  static std::vector<std::byte> read_file(const std::string& path, std::uint64_t offset_bytes,
                                          std::size_t length_bytes) {
    std::vector<std::byte> bytes(length_bytes);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    DD_CHECK(::pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset_bytes)) ==
             static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  static std::uint64_t slot_offset(std::uint32_t slot) {
    return kSlotsOffsetBytes + slot * kChunkBytes;
  }
  // Puts content into a slot and says where it is.
  LocatedEntry put_slot(ChunkNr chunk, SlotNr slot, char c) const {
    write_file(snapstore(), slot_offset(slot.value), pattern(c));
    return {chunk, Place::kSlot, slot, hash_chunk(pattern(c)), 0};
  }

 private:
  static void fill_file(const std::string& path, std::uint64_t size_bytes, char c) {
    std::ofstream(path) << std::string(size_bytes, c);
  }

  TempDir dir_;
  std::optional<ListeningSocket> listening_;
  std::optional<Connection> connection_;
  std::uint64_t request_id_ = 0;
};

}  // namespace ddsnap::test
