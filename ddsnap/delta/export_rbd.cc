#include "ddsnap/delta/export_rbd.h"

#include <algorithm>

#include "ddsnap/delta/base_device.h"
#include "ddsnap/delta/layered_content.h"
#include "ddsnap/delta/stored_delta.h"

namespace ddsnap {

namespace {

std::string name_of_snapshot(const std::string& given, const std::string& tag, const Uuid& uuid) {
  if (!given.empty()) return given;
  if (!tag.empty()) return tag;
  return uuid.is_nil() ? std::string{} : uuid.to_string();
}

Result<RbdMetadata> metadata_of(const DeltaHeader& header, const ExportOptions& options) {
  RbdMetadata metadata;
  metadata.size_bytes = header.to_bytes;
  const std::string from = name_of_snapshot(options.from_name, header.from_tag, header.from_uuid);
  if (!header.is_full()) {
    if (from.empty())
      return fail(ErrorCode::kUsage,
                  "the delta does not say from which snapshot it starts: give --from-name");
    metadata.from_snap = from;
  }
  const std::string to = name_of_snapshot(options.to_name, header.to_tag, header.to_uuid);
  if (!to.empty()) metadata.to_snap = to;
  return metadata;
}

Status write_frame(RbdWriter& writer, const DeltaHeader& header, const DeltaFrame& frame,
                   std::span<const std::byte> content) {
  const ChunkGeometry geometry = header.to_geometry();
  for (const FrameEntry& entry : frame.entries) {
    const std::uint64_t start = geometry.offset_of(entry.first);
    const std::uint64_t end = std::min(entry.end() << header.chunk_shift, geometry.volume_bytes);
    if (entry.content == ContentKind::kZero) DD_TRY(writer.write_zeros({start, end - start}));
    if (entry.content != ContentKind::kData) continue;
    DD_TRY(writer.write_data(start, content.first(end - start)));
    content = content.subspan(geometry.chunk_bytes());
  }
  return {};
}

}  // namespace

Result<DeltaHeader> export_rbd(ByteSource& source, BlockDevice* base, const ExportOptions& options,
                               WorkContext& context, ByteSink& sink) {
  std::vector<StoredDelta> deltas;
  deltas.push_back(DD_TRY(StoredDelta::open(source)));
  const DeltaHeader header = deltas.front().header();
  DD_TRY(check_frame_memory(header, kFramesInMemory, context.memory_bytes));
  if (header.is_full()) base = nullptr;
  if (base != nullptr) DD_TRY(check_base(*base, header));

  LayeredContent contents(deltas, base);
  RbdWriter writer(sink, options.version);
  DD_TRY(writer.begin(DD_TRY(metadata_of(header, options))));
  WorkProgress progress{.chunks_total = header.chunk_count,
                        .chunk_bytes = header.to_geometry().chunk_bytes()};
  while (const auto frame = DD_TRY(deltas.front().next())) {
    DD_TRY(context.rate_limit.take(frame->data_bytes, context.interruption));
    DD_TRY(context.interruption.check());
    const auto content = DD_TRY(contents.content_of(0, *frame));
    DD_TRY(write_frame(writer, header, *frame, *content));
    for (const FrameEntry& entry : frame->entries) progress.chunks_done += entry.count;
    progress.address_bytes = frame->entries.back().end() << header.chunk_shift;
    context.report(progress);
  }
  DD_TRY(writer.end());
  DD_TRY(sink.finish());
  return header;
}

}  // namespace ddsnap
