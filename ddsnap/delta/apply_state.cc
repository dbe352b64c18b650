#include "ddsnap/delta/apply_state.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/base/units.h"
#include "ddsnap/delta/atomic_file.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/bytes.h"
#include "ddsnap/delta/stored_text.h"
#include "ddsnap/delta/stream_hash.h"

namespace ddsnap {

namespace {

constexpr char kMagic[8] = {'D', 'D', 'S', 'A', 'P', 'P', 'L', 'Y'};
constexpr std::uint16_t kVersionNumber = 4;
constexpr std::uint64_t kSeed = 0x594c505041534444;

enum : std::uint32_t {
  kFlagWindow = 1,
  kFlagForced = 2,
  kFlagUndo = 4,
  kFlagRollBack = 8,
  kFlagsKnown = 15
};

struct XDiskState {
  char magic[8];
  le16 version;
  std::uint8_t sample_count;
  std::uint8_t sample_shift;
  le32 flags;
  XDiskUuid snapshot_uuid;
  XDiskUuid window_delta_uuid;
  le64 first_frame;
  le64 frame_count;
  le32 first_chunk;
  le32 last_chunk;
  le32 recent_count;
  le32 saved_count;
  le64 undo_frames;
  le64 checksum;  // of the whole record with this field zero
};
static_assert(sizeof(XDiskState) == 96 && alignof(XDiskState) == 1);

struct XDiskSample {
  le32 chunk;
  le64 hash;
};
static_assert(sizeof(XDiskSample) == 12 && alignof(XDiskSample) == 1);

struct XDiskSaved {
  le64 frame_nr;
  le32 part_count;
  le32 reserved;
};
static_assert(sizeof(XDiskSaved) == 16 && alignof(XDiskSaved) == 1);

struct XDiskPart {
  le32 first_block;
  le32 block_count;
};
static_assert(sizeof(XDiskPart) == 8 && alignof(XDiskPart) == 1);

// Saved contents begin at a multiple of this, so that they are written without the page cache.
constexpr std::size_t kContentAlignmentBytes = 4096;

std::unexpected<Error> damaged() {
  return fail(
      ErrorCode::kDamaged,
      "the record of what was applied is damaged; remove it only where no apply was interrupted");
}

// Of a record whose checksum field may be set already.
std::uint64_t checksum_of_stored(std::span<const std::byte> bytes) {
  std::array<std::byte, sizeof(XDiskState)> fixed;
  std::copy_n(bytes.begin(), fixed.size(), fixed.begin());
  std::memset(fixed.data() + offsetof(XDiskState, checksum), 0, sizeof(le64));
  SaltedHash hash(kSeed);
  hash.update(fixed);
  hash.update(bytes.subspan(fixed.size()));
  return hash.digest();
}

XDiskState pack(const TargetState& state) {
  XDiskState disk{};
  std::memcpy(disk.magic, kMagic, sizeof kMagic);
  disk.version = kVersionNumber;
  disk.snapshot_uuid = pack_uuid(state.snapshot_uuid);
  disk.recent_count = static_cast<std::uint32_t>(state.recent_deltas.size());
  disk.sample_count = static_cast<std::uint8_t>(state.samples.chunks.size());
  disk.sample_shift =
      disk.sample_count == 0 ? 0 : static_cast<std::uint8_t>(state.samples.chunk_shift);
  if (!state.window) return disk;
  const ApplyWindow& window = *state.window;
  disk.flags = kFlagWindow | (window.is_forced ? kFlagForced : 0u) |
               (window.has_undo ? kFlagUndo : 0u) | (window.is_roll_back ? kFlagRollBack : 0u);
  disk.window_delta_uuid = pack_uuid(window.delta_uuid);
  disk.first_frame = window.first_frame;
  disk.frame_count = window.frame_count;
  disk.first_chunk = window.first_chunk.value;
  disk.last_chunk = window.last_chunk.value;
  disk.saved_count = static_cast<std::uint32_t>(window.saved.size());
  disk.undo_frames = window.undo_frames;
  return disk;
}

// The parts of one frame, their contents yet to come.
Status unpack_parts(std::uint32_t count, ByteReader& reader, std::vector<BlockRun>& parts) {
  std::uint64_t free_from = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto disk = reader.take_struct<XDiskPart>();
    if (!disk) return damaged();
    const BlockRun run{disk->first_block.get(), disk->block_count.get()};
    if (run.count == 0 || run.first < free_from ||
        run.end() > kMaxLongFrameDataBytes / kChangedBlockBytes)
      return damaged();
    free_from = run.end();
    parts.push_back(run);
  }
  return {};
}

// The frames, their parts, zeros up to the alignment, then content after content.
Status unpack_saved(std::uint32_t count, ByteReader& reader, ApplyWindow& window) {
  std::vector<XDiskSaved> frames;
  while (frames.size() < count) {
    const auto saved = reader.take_struct<XDiskSaved>();
    if (!saved || saved->reserved.get() != 0) return damaged();
    frames.push_back(*saved);
  }
  std::uint64_t content_bytes = 0;
  for (const XDiskSaved& frame : frames) {
    std::vector<BlockRun> runs;
    DD_TRY(unpack_parts(frame.part_count.get(), reader, runs));
    ApplyWindow::SavedContent saved{.frame_nr = frame.frame_nr.get(), .parts = {}};
    for (const BlockRun& run : runs) {
      content_bytes += run.length_bytes();
      saved.parts.push_back({run, {}});
    }
    window.saved.push_back(std::move(saved));
  }
  const auto padding =
      reader.take_bytes(round_up(reader.position(), kContentAlignmentBytes) - reader.position());
  const auto contents = reader.take_bytes(content_bytes);
  if (!padding || !is_all_zero(*padding) || !contents) return damaged();
  window.loaded =
      std::make_shared<const std::vector<std::byte>>(contents->begin(), contents->end());
  std::span<const std::byte> rest = *window.loaded;
  for (ApplyWindow::SavedContent& saved : window.saved) {
    for (ApplyWindow::SavedPart& part : saved.parts) {
      part.content = rest.first(part.run.length_bytes());
      rest = rest.subspan(part.content.size());
    }
  }
  return {};
}

Result<ApplyWindow> unpack_window(const XDiskState& disk, ByteReader& reader) {
  ApplyWindow window;
  window.delta_uuid = unpack_uuid(disk.window_delta_uuid);
  window.first_frame = disk.first_frame.get();
  window.frame_count = disk.frame_count.get();
  window.first_chunk = {disk.first_chunk.get()};
  window.last_chunk = {disk.last_chunk.get()};
  window.undo_frames = disk.undo_frames.get();
  window.is_forced = (disk.flags.get() & kFlagForced) != 0;
  window.has_undo = (disk.flags.get() & kFlagUndo) != 0;
  window.is_roll_back = (disk.flags.get() & kFlagRollBack) != 0;
  if (disk.saved_count.get() > 0) DD_TRY(unpack_saved(disk.saved_count.get(), reader, window));
  return window;
}

// What an apply that was killed was about to store. Whoever stores has the target to himself (S8).
void remove_leftovers(const std::string& path) {
  const std::string folder = folder_of(path);
  const std::string begin = path.substr(path.rfind('/') + 1) + ".";
  DIR* const entries = ::opendir(folder.c_str());
  if (entries == nullptr) return;
  while (const dirent* entry = ::readdir(entries)) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(begin) && name.ends_with(".tmp"))
      ::unlink(fmt::format("{}/{}", folder, name).c_str());
  }
  ::closedir(entries);
}

bool are_sound_samples(const XDiskState& disk) {
  if (disk.sample_count == 0) return disk.sample_shift == 0;
  return disk.sample_count <= kMaxTargetSamples && disk.sample_shift >= kMinChunkShift &&
         disk.sample_shift <= kMaxChunkShift;
}

Result<TargetSamples> unpack_samples(const XDiskState& disk, ByteReader& reader) {
  TargetSamples samples;
  if (disk.sample_count != 0) samples.chunk_shift = disk.sample_shift;
  for (int i = 0; i < disk.sample_count; ++i) {
    const auto sample = reader.take_struct<XDiskSample>();
    if (!sample) return damaged();
    samples.chunks.push_back({{sample->chunk.get()}, {sample->hash.get()}});
  }
  return samples;
}

Status check_fixed(const XDiskState& disk, std::span<const std::byte> bytes) {
  if (std::memcmp(disk.magic, kMagic, sizeof kMagic) != 0) return damaged();
  if (disk.version.get() != kVersionNumber)
    return fail(ErrorCode::kVersion, fmt::format("a record of version {}; this program knows {}",
                                                 disk.version.get(), kVersionNumber));
  if (disk.checksum.get() != checksum_of_stored(bytes)) return damaged();
  const std::uint32_t flags = disk.flags.get();
  const bool has_window = (flags & kFlagWindow) != 0;
  if ((flags & ~kFlagsKnown) != 0 || !are_sound_samples(disk) ||
      disk.recent_count.get() > kMaxRememberedDeltas ||
      (!has_window && (flags != 0 || disk.saved_count.get() != 0 || disk.undo_frames.get() != 0)))
    return damaged();
  return {};
}

Status make_folders(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (::mkdir(folder.c_str(), 0700) == 0) {
      DD_TRY(sync_folder(folder + "/.."));
    } else if (errno != EEXIST) {
      return fail_errno("cannot make", folder);
    }
  }
  return {};
}

void append_saved(std::vector<std::byte>& out, const std::vector<ApplyWindow::SavedContent>& all) {
  for (const ApplyWindow::SavedContent& saved : all) {
    XDiskSaved disk{};
    disk.frame_nr = saved.frame_nr;
    disk.part_count = static_cast<std::uint32_t>(saved.parts.size());
    append_struct(out, disk);
  }
  for (const ApplyWindow::SavedContent& saved : all) {
    for (const ApplyWindow::SavedPart& part : saved.parts) {
      XDiskPart disk{};
      disk.first_block = part.run.first;
      disk.block_count = part.run.count;
      append_struct(out, disk);
    }
  }
  out.resize(round_up(out.size(), kContentAlignmentBytes));
}

// What is saved, in its order on disk.
std::vector<std::span<const std::byte>> contents_of(const TargetState& state) {
  std::vector<std::span<const std::byte>> contents;
  if (!state.window) return contents;
  for (const ApplyWindow::SavedContent& saved : state.window->saved)
    for (const ApplyWindow::SavedPart& part : saved.parts) contents.push_back(part.content);
  return contents;
}

// The record up to the saved contents, with the checksum of all of it.
std::vector<std::byte> encode_head(const TargetState& state) {
  std::vector<std::byte> out;
  append_struct(out, pack(state));
  for (const Uuid& uuid : state.recent_deltas) append_struct(out, pack_uuid(uuid));
  for (const ChunkSample& sample : state.samples.chunks) {
    XDiskSample disk{};
    disk.chunk = sample.chunk.value;
    disk.hash = sample.hash.value;
    append_struct(out, disk);
  }
  if (state.window && !state.window->saved.empty()) append_saved(out, state.window->saved);
  SaltedHash hash(kSeed);
  hash.update(out);  // the checksum's own field is zero yet
  for (const auto content : contents_of(state)) hash.update(content);
  const le64 checksum = hash.digest();
  std::memcpy(out.data() + offsetof(XDiskState, checksum), &checksum, sizeof checksum);
  return out;
}

}  // namespace

const ApplyWindow::SavedContent* ApplyWindow::find_saved(std::uint64_t frame_nr) const {
  for (const SavedContent& one : saved)
    if (one.frame_nr == frame_nr) return &one;
  return nullptr;
}

std::vector<std::byte> encode_target_state(const TargetState& state) {
  std::vector<std::byte> out = encode_head(state);
  for (const auto content : contents_of(state))
    out.insert(out.end(), content.begin(), content.end());
  return out;
}

Result<TargetState> decode_target_state(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  const auto disk = reader.take_struct<XDiskState>();
  if (!disk) return damaged();
  DD_TRY(check_fixed(*disk, bytes));
  TargetState state;
  state.snapshot_uuid = unpack_uuid(disk->snapshot_uuid);
  for (std::uint32_t i = 0; i < disk->recent_count.get(); ++i) {
    const auto uuid = reader.take_struct<XDiskUuid>();
    if (!uuid) return damaged();
    state.recent_deltas.push_back(unpack_uuid(*uuid));
  }
  state.samples = DD_TRY(unpack_samples(*disk, reader));
  if ((disk->flags.get() & kFlagWindow) != 0) state.window = DD_TRY(unpack_window(*disk, reader));
  if (!reader.is_at_end()) return damaged();
  return state;
}

Result<TargetState> FileApplyState::load() {
  auto source = open_source(path_);
  if (!source && source.error().code == ErrorCode::kNotFound) return TargetState{};
  if (!source) return std::unexpected(std::move(source).error());
  std::vector<std::byte> bytes;
  for (std::size_t got = 1; got > 0 && bytes.size() <= kMaxApplyStateBytes;) {
    const std::size_t have = bytes.size();
    bytes.resize(have + kReadPieceBytes);
    got = DD_TRY((*source)->read(std::span(bytes).subspan(have)));
    bytes.resize(have + got);
  }
  auto state = decode_target_state(bytes);
  if (!state) return with_context(path_, std::move(state).error());
  return state;
}

Status FileApplyState::store(const TargetState& state,
                             const std::function<Status()>& last_condition) {
  DD_TRY(make_folders(path_));
  if (!std::exchange(is_tidy_, true)) remove_leftovers(path_);
  AtomicFile file = DD_TRY(AtomicFile::create(path_));
  DD_TRY(file.write(encode_head(state)));
  DD_TRY(file.write_direct(contents_of(state)));
  DD_TRY(file.sync());
  DD_TRY(last_condition());
  return file.commit();
}

Result<std::string> default_state_folder() {
  if (const char* folder = std::getenv("DDSNAP_STATE_DIR"); folder && *folder) return folder;
  if (::geteuid() == 0) return "/var/lib/ddsnap/apply";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::string(state) + "/ddsnap/apply";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.local/state/ddsnap/apply";
  return fail(ErrorCode::kUsage, "no place for the apply journal: set DDSNAP_STATE_DIR");
}

}  // namespace ddsnap
