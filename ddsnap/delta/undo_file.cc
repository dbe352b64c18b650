#include "ddsnap/delta/undo_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/delta/atomic_file.h"
#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/undo_content.h"

namespace ddsnap {

// The file as a stream that goes on behind what is there: what replay() is given is not written
// again.
class UndoFile::Sink final : public ByteSink {
 public:
  Sink(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

  Status write(std::span<const std::byte> bytes) override {
    length_bytes_ += bytes.size();
    if (is_replaying_) return {};
    return write_fully(fd_.get(), bytes, name_);
  }
  Status finish() override { return sync(); }

  void replay() { is_replaying_ = true; }
  // What was not replayed goes.
  Status go_on() {
    is_replaying_ = false;
    if (::ftruncate(fd_.get(), static_cast<off_t>(length_bytes_)) != 0 ||
        ::lseek(fd_.get(), static_cast<off_t>(length_bytes_), SEEK_SET) < 0)
      return fail_errno("cannot go on with", name_);
    return {};
  }
  Status sync() {
    if (::fdatasync(fd_.get()) != 0) return fail_errno("cannot sync", name_);
    return {};
  }

 private:
  UniqueFd fd_;
  const std::string name_;
  std::uint64_t length_bytes_ = 0;
  bool is_replaying_ = false;
};

namespace {

constexpr std::uint64_t kUndoSeed = 0x4f444e5544534444;

Uuid folded(const Hash128& hash) {
  Uuid uuid{hash.bytes};
  uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x80};  // made by a rule of ours
  uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return uuid;
}

Result<UniqueFd> open_for_writing(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | flags, 0600));
  if (!fd) return fail_errno("cannot open", path);
  return fd;
}

// Whether the file is an undo of this delta that was not finished.
bool is_unfinished(const std::string& path, const Uuid& undo_uuid) {
  auto source = open_source(path);
  if (!source) return false;
  auto reader = DeltaReader::open(**source);
  if (!reader || reader->header().delta_uuid != undo_uuid) return false;
  for (;;) {
    const auto frame = reader->next();
    if (!frame) return true;
    if (!*frame) return false;
  }
}

bool is_empty_file(const std::string& path) {
  const auto source = open_source(path);
  std::byte one{};
  if (!source) return false;
  const auto got = (*source)->read(std::span(&one, 1));
  return got && *got == 0;
}

// The parts of the frames that have something to undo.
std::vector<UndoItem> items_of(const DeltaHeader& header, std::span<const DecodedFrame> frames) {
  const std::size_t chunk_bytes = header.to_geometry().chunk_bytes();
  std::vector<UndoItem> items;
  for (const DecodedFrame& one : frames) {
    auto content = one.content();
    for (const FrameEntry& entry : one.frame.entries) {
      const bool has_data = entry.content == ContentKind::kData;
      items.push_back({entry, has_data ? content.first(chunk_bytes) : content.first(0)});
      if (has_data) content = content.subspan(chunk_bytes);
    }
  }
  return items;
}

}  // namespace

Uuid undo_uuid_of(const Uuid& delta_uuid) {
  std::array<std::byte, 24> salted;
  std::ranges::copy(delta_uuid.bytes, salted.begin());
  for (std::size_t i = 0; i < 8; ++i) salted[16 + i] = static_cast<std::byte>(kUndoSeed >> (8 * i));
  return folded(hash128_of(salted));
}

DeltaHeader undo_header_of(const DeltaHeader& forward, std::uint64_t created_ns) {
  DeltaHeader header;
  header.delta_uuid = undo_uuid_of(forward.delta_uuid);
  header.from_uuid = forward.to_uuid;
  header.to_uuid = forward.from_uuid;
  header.from_tag = forward.to_tag;
  header.to_tag = forward.from_tag;
  header.from_bytes = forward.to_bytes;
  // Before a full delta there was something all the same: whatever the target held.
  header.to_bytes = forward.is_full() ? forward.to_bytes : forward.from_bytes;
  header.created_ns = created_ns;
  header.chunk_shift = forward.chunk_shift;
  header.chunk_count = forward.chunk_count + header.to_geometry().chunk_count() -
                       header.from_geometry().chunk_count();
  header.is_trimmed = forward.is_trimmed;
  header.frame_data_bytes = std::max(kFrameDataBytes, header.to_geometry().chunk_bytes());
  header.mode = DeltaMode::kRaw;
  return header;
}

UndoFile::UndoFile(std::string path, std::uint64_t created_ns)
    : path_(std::move(path)), created_ns_(created_ns) {}
UndoFile::~UndoFile() {
  if (is_new_) ::unlink(path_.c_str());
}

Status UndoFile::begin(const DeltaHeader& forward, BlockDevice& target, const TargetState& state) {
  forward_ = forward;
  target_ = &target;
  header_ = undo_header_of(forward, created_ns_);
  if (target.size_bytes() < header_.to_bytes)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: was cut to {} bytes already, so what the delta cuts off cannot be "
                            "saved: no undo",
                            target.name(), target.size_bytes()));
  if (!state.window || state.window->delta_uuid != forward.delta_uuid) return start();
  if (!state.window->has_undo)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: the interrupted apply saved no undo; finish it without one",
                            target.name()));
  return go_on(state.window->undo_frames);
}

// Of a file that a crash left before the first window was written, nothing is needed.
Status UndoFile::start() {
  int flags = O_CREAT | O_EXCL;
  if (is_unfinished(path_, header_.delta_uuid) || is_empty_file(path_)) flags = O_TRUNC;
  auto fd = open_for_writing(path_, flags);
  if (!fd && fd.error().sys_errno == EEXIST)
    return fail(ErrorCode::kExists, path_ + " exists already; name another file for the undo");
  sink_ = std::make_unique<Sink>(DD_TRY(std::move(fd)), path_);
  is_new_ = true;
  writer_ = std::make_unique<DeltaWriter>(*sink_, header_);
  DD_TRY(writer_->begin());
  return sync_folder(folder_of(path_));
}

// Keeps what is durable up to the window in doubt, whose old content is gone from the target.
Status UndoFile::go_on(std::uint64_t frames) {
  auto source = DD_TRY(open_source(path_));
  DeltaReader reader = DD_TRY(DeltaReader::open(*source));
  if (reader.header().delta_uuid != header_.delta_uuid)
    return fail(ErrorCode::kExists, path_ + " is not the undo of the interrupted apply");
  header_ = reader.header();
  sink_ = std::make_unique<Sink>(DD_TRY(open_for_writing(path_, 0)), path_);
  sink_->replay();
  writer_ = std::make_unique<DeltaWriter>(*sink_, header_);
  DD_TRY(writer_->begin());
  for (; frames_ < frames; ++frames_) {
    auto frame = DD_TRY(reader.next());
    if (!frame)
      return fail(ErrorCode::kDamaged,
                  path_ + " lacks content that the interrupted apply has overwritten");
    DD_TRY(writer_->write(*frame));
  }
  return sink_->go_on();
}

Status UndoFile::save(std::span<const DecodedFrame> frames, const WorkContext& context) {
  const auto items = items_of(header_, frames);
  frames_ += DD_TRY(write_undo_frames(header_, items, *target_, *writer_, context));
  is_new_ = false;
  return sink_->sync();
}

Status UndoFile::finish(const WorkContext& context) {
  const std::uint64_t kept = header_.from_geometry().chunk_count();
  const std::uint64_t all = header_.to_geometry().chunk_count();
  if (all > kept) {
    const UndoItem cut_off{.entry = {.first = {static_cast<std::uint32_t>(kept)},
                                     .count = static_cast<std::uint32_t>(all - kept)}};
    frames_ +=
        DD_TRY(write_undo_frames(header_, std::span(&cut_off, 1), *target_, *writer_, context));
  }
  DD_TRY(writer_->finish());
  is_new_ = false;
  return {};
}

}  // namespace ddsnap
