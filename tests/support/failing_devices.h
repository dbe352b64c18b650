// A volume over memory devices with a fault injector between, and the model of what each snapshot
// must hold: writes go to the origin where they are granted, and every chunk of a snapshot is
// either right or an error.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "ddsnap/wire/cli_messages.h"
#include "tests/support/volume_harness.h"

namespace ddsnap::test {

class FailingDevices : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kChunks = 48;
  static constexpr std::uint64_t kChunkBytes = VolumeHarness::kChunkBytes;
  using Image = std::vector<unsigned char>;  // the byte that fills each chunk

  FailingDevices() {
    for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) write_raw(chunk);
    origin_ = world_.attach("o");
    slots_ = {world_.store->facts().slots_offset_bytes,
              world_.store->facts().slots_total * kChunkBytes};
  }

  void write_raw(std::uint32_t chunk) {
    image_[chunk] = static_cast<unsigned char>(1 + next_fill_++ % 250);
    world_.write_chunk(chunk, image_[chunk]);
  }
  void set_policy(OnStoreFailure policy) {
    StoreSettings settings = world_.store->settings();
    settings.on_failure = policy;
    ASSERT_TRUE(world_.store->set_settings(settings));
  }
  void create(const std::string& tag) {
    world_.create_with({origin_.session}, tag);
    snapshots_[tag] = image_;
  }
  // The errno of the grant; the chunk is written where it was granted.
  int overwrite(std::uint32_t chunk) {
    const auto grants = world_.ask(origin_.session, {{{chunk}, 1}});
    if (grants.back().result_errno == 0) write_raw(chunk);
    return grants.back().result_errno;
  }
  Error create_error(const std::string& tag) {
    const SessionId client = world_.connect();
    world_.send(client, world_.create_message(tag));
    world_.run();
    return world_.take_error(client);
  }
  ServerStatusMessage status() {
    const SessionId client = world_.connect();
    world_.send(client, GetStatusMessage{});
    return world_.take<ServerStatusMessage>(client);
  }
  bool is_given_up(const std::string& tag) const {
    const auto facts = world_.store->find(tag);
    return facts && (facts->kind != BoundaryKind::kLive || facts->is_dropping);
  }
  std::uint32_t rung() { return status().ladder; }
  // Every chunk of the snapshot: right, or an errno. Returns how many were errors.
  std::uint32_t unreadable_chunks(const std::string& tag) {
    const auto target = world_.attach("reader of " + tag, tag);
    std::uint32_t errors = 0;
    for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) {
      const int byte = world_.read_byte(target, chunk);
      errors += byte < 0;
      if (byte >= 0) {
        EXPECT_EQ(byte, snapshots_.at(tag)[chunk]) << tag << " chunk " << chunk;
      }
    }
    world_.send(target.session, DetachMessage{});
    world_.take<OkMessage>(target.session);
    return errors;
  }
  // As after a mended device and the administrator's order.
  void restart(bool must_resume) {
    world_.faulty_snapstore.heal();
    world_.faulty_origin.heal();
    world_.restart(VolumeHarness::default_config(), {.must_resume = must_resume});
    world_.run();
  }
  bool has_log(const std::string& part) const {
    return std::ranges::any_of(world_.log.lines(), [&](const std::string& line) {
      return line.find(part) != std::string::npos;
    });
  }

  VolumeHarness world_{kChunks, 1u << 20};
  VolumeHarness::Target origin_;
  ByteRange slots_;
  Image image_ = Image(kChunks);
  std::map<std::string, Image> snapshots_;
  unsigned next_fill_ = 0;
};

}  // namespace ddsnap::test
