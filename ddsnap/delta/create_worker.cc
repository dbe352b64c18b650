#include "ddsnap/delta/create_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

// The first stretch of chunks that differ from the list, as the walk goes along.
class WrongChunks {
 public:
  void see(ChunkNr chunk, bool is_right) {
    if (is_ended_ || (is_right && !range_)) return;
    is_ended_ = is_right;
    if (is_right) return;
    if (!range_) range_ = ChunkRange{chunk, 0};
    range_->count = chunk.value - range_->first.value + 1;
  }
  Status status(const std::string& device_name, const std::string& tag) const {
    if (!range_) return {};
    return fail(ErrorCode::kFailed,
                fmt::format("{} is not snapshot '{}' of the changelist: chunks {} to {} differ",
                            device_name, tag, range_->first.value, range_->end() - 1));
  }

 private:
  std::optional<ChunkRange> range_;
  bool is_ended_ = false;
};

// The chunks of a buffer, one after the other.
class ChunkSequence {
 public:
  ChunkSequence(std::span<std::byte> bytes, std::size_t chunk_bytes)
      : bytes_(bytes), chunk_bytes_(chunk_bytes) {}
  std::span<std::byte> next() {
    const auto chunk = bytes_.first(chunk_bytes_);
    bytes_ = bytes_.subspan(chunk_bytes_);
    return chunk;
  }

 private:
  std::span<std::byte> bytes_;
  std::size_t chunk_bytes_;
};

}  // namespace

struct CreateWorker::Wrong {
  WrongChunks in_old, in_new;
};

Status CreateWorker::work(CreateJob& job) {
  packed_ = {};
  Wrong wrong;
  ChunkSequence new_chunks(job.new_bytes.span(), chunk_bytes_);
  ChunkSequence old_chunks(job.old_bytes.span(), chunk_bytes_);
  for (const CreateItem& item : job.items) {
    const auto content = item.is_hole ? std::span<std::byte>() : new_chunks.next();
    const auto old_content = item.has_old ? old_chunks.next() : std::span<std::byte>();
    const FrameEntry entry = look_at(item, content, old_content, wrong);
    if (item.count > 1) {
      DD_TRY(add_run(job, entry));
    } else {
      DD_TRY(add(job, entry, content, old_content));
    }
  }
  DD_TRY(wrong.in_old.status(sources_.from_name, header_.from_tag));
  DD_TRY(wrong.in_new.status(sources_.to_name, header_.to_tag));
  return end_frame(job);
}

FrameEntry CreateWorker::look_at(const CreateItem& item, std::span<const std::byte> content,
                                 std::span<std::byte> old_content, Wrong& wrong) const {
  FrameEntry entry{.first = item.first, .count = item.count};
  set_before(entry, item, old_content, wrong);
  entry.after = item.is_hole ? hash_of_zero_chunk(header_.chunk_shift) : hash_chunk(content);
  if (item.after) wrong.in_new.see(item.first, entry.after == *item.after);
  entry.content = kind_of(entry, content, old_content);
  return entry;
}

// The old device must hold what the list says that the old snapshot held.
void CreateWorker::set_before(FrameEntry& entry, const CreateItem& item,
                              std::span<std::byte> old_content, Wrong& wrong) const {
  if (header_.is_new(entry.first)) {
    entry.before_kind = BeforeKind::kNew;
    return;
  }
  if (old_content.empty() && !item.before) return;
  entry.before_kind = BeforeKind::kKnown;
  entry.before = old_content.empty() ? *item.before : hash_chunk(old_content);
  if (old_content.empty()) return;
  if (item.before) wrong.in_old.see(item.first, entry.before == *item.before);
  if (!header_.is_boundary(item.first)) return;
  // What the older volume has beyond the smaller one's end is nobody's.
  const std::uint64_t keep_bytes =
      header_.common_bytes() - header_.to_geometry().offset_of(item.first);
  std::memset(old_content.data() + keep_bytes, 0, chunk_bytes_ - keep_bytes);
  entry.before = hash_chunk(old_content);
}

// By comparing bytes: equal hashes alone would let a collision through.
ContentKind CreateWorker::kind_of(const FrameEntry& entry, std::span<const std::byte> content,
                                  std::span<const std::byte> old_content) const {
  const bool may_be_same =
      !old_content.empty() && !header_.is_boundary(entry.first) && entry.after == entry.before;
  const bool may_be_zero = entry.after == hash_of_zero_chunk(header_.chunk_shift);
  if (content.empty())
    return may_be_same && is_all_zero(old_content) ? ContentKind::kSame : ContentKind::kZero;
  if (may_be_same && std::memcmp(content.data(), old_content.data(), content.size()) == 0)
    return ContentKind::kSame;
  return may_be_zero && is_all_zero(content) ? ContentKind::kZero : ContentKind::kData;
}

Status CreateWorker::add_run(CreateJob& job, FrameEntry run) {
  std::uint32_t left = run.count;
  while (left > 0) {
    run.count = std::min(left, kMaxRunChunks);
    DD_TRY(add(job, run, {}, {}));
    run.first.value += run.count;
    left -= run.count;
  }
  return {};
}

Status CreateWorker::add(CreateJob& job, const FrameEntry& entry,
                         std::span<const std::byte> content,
                         std::span<const std::byte> old_content) {
  const bool is_full =
      packed_.end - packed_.frame_begin + chunk_bytes_ > header_.frame_data_bytes ||
      frame_.entries.size() >= header_.most_frame_entries();
  if (is_full) DD_TRY(end_frame(job));
  if (entry.content == ContentKind::kSame && header_.is_trimmed) return {};
  append_entry(frame_.entries, entry);
  if (entry.content != ContentKind::kData) return {};
  const auto move_up = [](AlignedBuffer& buffer, std::size_t& end,
                          std::span<const std::byte> from) {
    std::byte* const to = buffer.data() + end;
    if (to != from.data()) std::memmove(to, from.data(), from.size());
    end += from.size();
  };
  move_up(job.new_bytes, packed_.end, content);
  if (entry.before_kind == BeforeKind::kUnknown) packed_.may_differ = false;
  if (!old_content.empty()) move_up(job.old_bytes, packed_.old_end, old_content);
  return {};
}

Status CreateWorker::end_frame(CreateJob& job) {
  if (frame_.entries.empty()) return {};
  const std::size_t length = packed_.end - packed_.frame_begin;
  std::span<const std::byte> prefix;
  if (packed_.may_differ)
    prefix = std::span(job.old_bytes.span())
                 .subspan(packed_.old_frame_begin, packed_.old_end - packed_.old_frame_begin);
  const auto encoded =
      DD_TRY(encoder_.encode(job.new_bytes.span().subspan(packed_.frame_begin, length), prefix,
                             {job.payload.get() + packed_.frame_begin, length}));
  frame_.data_bytes = static_cast<std::uint32_t>(length);
  frame_.encoding = encoded.encoding;
  job.frames.push_back({std::exchange(frame_, {}), encoded.payload});
  packed_.frame_begin = packed_.end;
  packed_.old_frame_begin = packed_.old_end;
  packed_.may_differ = true;
  return {};
}

}  // namespace ddsnap
