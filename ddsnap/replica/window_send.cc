#include "ddsnap/replica/window_send.h"

#include "ddsnap/delta/create_delta.h"
#include "ddsnap/replica/window_source.h"

namespace ddsnap {

Changelist empty_window(const Changelist& list) {
  Changelist window;
  window.from_uuid = list.from_uuid;
  window.to_uuid = list.to_uuid;
  window.from_tag = list.from_tag;
  window.to_tag = list.to_tag;
  window.from_bytes = window.to_bytes = list.to_bytes;
  window.chunk_shift = list.chunk_shift;
  return window;
}

ListWindows::ListWindows(const Changelist& list, std::uint64_t next, std::uint32_t window_chunks)
    : list_(list), from_(next), window_chunks_(window_chunks), cursor_(list) {}

std::optional<Changelist> ListWindows::next() {
  Changelist window = empty_window(list_);
  const std::uint64_t end = list_.to_geometry().chunk_count();
  // Where sizes differ, the hash of the chunk in which the smaller one ends is of a part of it.
  const std::uint64_t whole =
      list_.from_bytes == list_.to_bytes ? end : list_.smaller_bytes() >> list_.chunk_shift;
  for (std::uint32_t count = 0; count < window_chunks_;) {
    const auto item = cursor_.next();
    if (!item || item->chunk.value >= end) break;
    if (item->chunk.value < from_) continue;
    window.append(item->chunk, item->chunk.value < whole ? item->before : std::nullopt);
    ++count;
  }
  if (window.ranges.empty()) return std::nullopt;
  return window;
}

Status send_window(MessageStream& stream, const Changelist& window, BlockDevice& to,
                   CodecChoice codec, RandomSource& random, const WorkContext& context) {
  CreateDeltaOptions options;
  options.mode = DeltaMode::kRaw;  // the receiver may have to take it over chunks that are torn
  options.codec = codec;
  WorkContext quiet;
  quiet.workers = context.workers;
  quiet.memory_bytes = context.memory_bytes;
  WindowSink sink(stream);
  DD_TRY(create_delta(window, nullptr, &to, options, random, sink, quiet));
  return context.interruption.check();
}

}  // namespace ddsnap
