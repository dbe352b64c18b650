// LiveServer: the files, the thread, and commands over the real socket.
#include "tests/support/live_server.h"

#include <csignal>
#include <fstream>

#include "ddsnap/wire/connection.h"
#include "ddsnap/wire/device_identity.h"

namespace ddsnap::test {

namespace {

void make_noise(const std::string& path, std::uint64_t size_bytes, std::uint64_t seed) {
  std::vector<std::byte> bytes(size_bytes);
  SeededRandom(seed).fill(bytes);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  DD_CHECK(file.good());
}

}  // namespace

LiveServer::LiveServer(const Shape& shape) : shape_(shape) {
  make_noise(origin_path(), shape.origin_bytes, shape.seed);
  make_noise(snapstore_path(), shape.snapstore_bytes, shape.seed + 1);
  auto devices =
      ServedDevices::open({snapstore_path(), origin_path(), ""}, FileOptions::Caching::kBuffered);
  DD_CHECK(devices.has_value());
  const Status made =
      initialize_store((*devices)->store_devices(), {.chunk_shift = shape.chunk_shift}, random_);
  DD_CHECK(made.has_value());
  devices->reset();
  start();
}

LiveServer::~LiveServer() {
  if (thread_.joinable()) stop(Ending::kClean);
}

void LiveServer::start() {
  auto devices =
      ServedDevices::open({snapstore_path(), origin_path(), ""}, FileOptions::Caching::kBuffered);
  DD_CHECK(devices.has_value());
  devices_ = *std::move(devices);
  auto store = SnapStore::open(devices_->store_devices(), {}, random_);
  DD_CHECK(store.has_value());
  store_ = *std::move(store);
  probe_ = std::make_unique<SystemProbe>(devices_->snapstore(), devices_->origin(), this_boot_id());
  const VolumeConfig config{.pair = devices_->pair(),
                            .is_direct = devices_->is_direct(),
                            .origin_path = origin_path(),
                            .snapstore_path = snapstore_path()};
  volume_ = std::make_unique<Volume>(*store_, devices_->origin(), config, random_, *probe_, log_);
  auto listener = ListeningSocket::open(address_);
  DD_CHECK(listener.has_value());
  listener_.emplace(*std::move(listener));
  agent_ = std::make_unique<AgentLink>(directory_.file("nobody"),
                                       ServeMessage{config.pair, address_}, log_);
  auto loop = ServerLoop::make({*volume_, *store_, *listener_, *agent_, log_, signal_.fd(), [] {}});
  DD_CHECK(loop.has_value());
  loop_ = *std::move(loop);
  thread_ = std::thread([this] { DD_CHECK(loop_->run().has_value()); });
}

void LiveServer::stop(Ending ending) {
  signal_.raise(SIGTERM);
  thread_.join();
  loop_.reset();
  agent_.reset();
  listener_.reset();
  if (ending == Ending::kClean) DD_CHECK(store_->close_cleanly().has_value());
  volume_.reset();
  probe_.reset();
  store_.reset();
  devices_.reset();
}

template <class Answer, class Request>
Result<Answer> LiveServer::call(const Request& request) const {
  Connection connection = DD_TRY(Connection::open(address_, kWait_ms));
  return connection.call<Answer>(request, kWait_ms);
}

Status LiveServer::create(const std::string& tag, std::int8_t priority) const {
  SystemRandom random;
  DD_TRY(call<OkMessage>(
      CreateSnapshotMessage{.uuid = Uuid::make(random), .tag = tag, .priority = priority}));
  return {};
}

Status LiveServer::remove(const std::string& tag) const {
  DD_TRY(call<OkMessage>(DeleteSnapshotMessage{.tag = tag}));
  return {};
}

Result<SnapshotEntry> LiveServer::entry(const std::string& tag) const {
  const auto list = DD_TRY(call<SnapshotListMessage>(ListSnapshotsMessage{}));
  for (const SnapshotEntry& entry : list.entries)
    if (entry.tag == tag) return entry;
  return fail(ErrorCode::kNotFound, "no snapshot " + tag);
}

TargetOptions LiveServer::target_options(const std::string& label, const std::string& tag) const {
  TargetOptions options;
  options.link.place.server_address = address_;
  options.link.label = label;
  options.link.tag = tag;
  // Nothing waits for ever: a test that hangs says nothing.
  options.parking.timeout_ms = kWait_ms;
  return options;
}

std::unique_ptr<OriginTarget> LiveServer::open_origin(const std::string& label) const {
  auto target = OriginTarget::open(target_options(label, ""));
  DD_CHECK(target.has_value());
  return *std::move(target);
}

Result<std::unique_ptr<SnapshotTarget>> LiveServer::open_snapshot(const std::string& tag) const {
  return SnapshotTarget::open(target_options("snapshot " + tag, tag));
}

std::vector<std::byte> LiveServer::raw_origin() const {
  std::vector<std::byte> bytes(shape_.origin_bytes);
  std::ifstream file(origin_path(), std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  DD_CHECK(file.good());
  return bytes;
}

}  // namespace ddsnap::test
