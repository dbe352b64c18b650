#include "ddsnap/cli/delta_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ddsnap/base/size_text.h"

namespace ddsnap {

namespace {

using nlohmann::ordered_json;

// One end of a difference: the tag where there is one, and the uuid where it is known.
std::string end_name(const std::string& tag, const Uuid& uuid) {
  if (tag.empty() && uuid.is_nil()) return "(not a snapshot of a server)";
  if (uuid.is_nil()) return tag;
  return fmt::format("{}{}{}", tag, tag.empty() ? "" : " ", uuid.to_string());
}

ordered_json end_json(const std::string& tag, const Uuid& uuid, std::uint64_t size_bytes) {
  return {{"tag", tag},
          {"uuid", uuid.is_nil() ? ordered_json() : ordered_json(uuid.to_string())},
          {"size_bytes", size_bytes}};
}

ordered_json ranges_json(const std::vector<ChunkRange>& ranges) {
  ordered_json all = ordered_json::array();
  for (const ChunkRange& range : ranges)
    all.push_back({{"first", range.first.value}, {"count", range.count}});
  return all;
}

ordered_json tally_json(const ChunkTally& tally) {
  return {{"chunks", tally.chunks}, {"ranges", ranges_json(tally.ranges)}};
}

std::string ends_text(const std::string& from, std::uint64_t from_bytes, const std::string& to,
                      std::uint64_t to_bytes) {
  if (from_bytes == 0)
    return fmt::format("from  nothing: the whole volume\nto    {}, {} bytes\n", to,
                       with_commas(to_bytes));
  return fmt::format("from  {}, {} bytes\nto    {}, {} bytes\n", from, with_commas(from_bytes), to,
                     with_commas(to_bytes));
}

std::string frames_text(const DeltaFacts& facts) {
  std::string text;
  for (std::size_t value = 1; value < std::size(facts.frames_by_encoding); ++value)
    if (facts.frames_by_encoding[value] != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ",
                          with_commas(facts.frames_by_encoding[value]),
                          name_of(static_cast<Encoding>(value)));
  return text.empty() ? "none" : text;
}

ordered_json frames_json(const DeltaFacts& facts) {
  ordered_json all = ordered_json::object();
  for (std::size_t value = 1; value < std::size(facts.frames_by_encoding); ++value)
    all[name_of(static_cast<Encoding>(value))] = facts.frames_by_encoding[value];
  return all;
}

// A line of the first ranges of a kind; nothing where there are none.
std::string ranges_text(const char* kind, const ChunkTally& tally) {
  constexpr std::size_t kShown = 8;
  std::string text;
  std::uint64_t shown_chunks = 0;
  for (std::size_t i = 0; i < std::min(kShown, tally.ranges.size()); ++i) {
    const ChunkRange& range = tally.ranges[i];
    shown_chunks += range.count;
    text += fmt::format("{}{}", i == 0 ? "" : ", ", range.first.value);
    if (range.count > 1) text += fmt::format("-{}", range.end() - 1);
  }
  if (text.empty()) return {};
  return fmt::format("{}: chunks {}{}\n", kind, text, shown_chunks < tally.chunks ? ", ..." : "");
}

}  // namespace

ordered_json to_json(const ChangelistFacts& facts) {
  const Changelist& list = facts.list;
  return {{"type", "changelist"},
          {"from", end_json(list.from_tag, list.from_uuid, list.from_bytes)},
          {"to", end_json(list.to_tag, list.to_uuid, list.to_bytes)},
          {"to_is_now", list.to_is_now},
          {"chunk_bytes", list.to_geometry().chunk_bytes()},
          {"chunks", facts.chunk_count},
          {"known_hashes", facts.known_hashes},
          {"ranges", ranges_json(list.ranges)}};
}

ordered_json to_json(const DigestFacts& facts) {
  const ChunkGeometry geometry = facts.header.geometry();
  return {{"type", "digest"},
          {"of", end_json("", facts.header.uuid, geometry.volume_bytes)},
          {"created", utc_time(facts.header.created_ns)},
          {"chunk_bytes", geometry.chunk_bytes()},
          {"chunks", geometry.chunk_count()},
          {"zero_chunks", facts.zero_chunks},
          {"file_bytes", facts.file_bytes}};
}

ordered_json to_json(const DeltaFacts& facts) {
  const DeltaHeader& header = facts.header;
  const DeltaTotals& totals = facts.trailer.totals;
  return {{"type", "delta"},
          {"uuid", header.delta_uuid.to_string()},
          {"from", end_json(header.from_tag, header.from_uuid, header.from_bytes)},
          {"to", end_json(header.to_tag, header.to_uuid, header.to_bytes)},
          {"from_is_proven", header.from_is_proven},
          {"to_is_proven", header.to_is_proven},
          {"is_full", header.is_full()},
          {"created", utc_time(header.created_ns)},
          {"mode", name_of(header.mode)},
          {"chunk_bytes", header.to_geometry().chunk_bytes()},
          {"chunks", totals.chunks},
          {"data_chunks", totals.data_chunks},
          {"zero_chunks", totals.zero_chunks},
          {"same_chunks", totals.same_chunks},
          {"unknown_chunks", facts.unknown_chunks},
          {"frames", totals.frames},
          {"frames_by_encoding", frames_json(facts)},
          {"undecoded_frames", facts.undecoded_frames},
          {"payload_bytes", totals.payload_bytes},
          {"stream_bytes", facts.trailer.stream_bytes}};
}

ordered_json to_json(const FitReport& report) {
  ordered_json all = to_json(report.delta);
  all["device"] = {{"fit", name_of(report.fit)},
                   {"before", tally_json(report.before)},
                   {"after", tally_json(report.after)},
                   {"unchanged", tally_json(report.unchanged)},
                   {"foreign", tally_json(report.foreign)},
                   {"in_doubt", tally_json(report.in_doubt)},
                   {"unproven", tally_json(report.unproven)},
                   {"is_base_proven", report.is_base_proven},
                   {"is_interrupted", report.is_interrupted},
                   {"was_replaced", report.was_replaced},
                   {"refused_by_record", report.history}};
  return all;
}

ordered_json to_json(const ApplyReport& report) {
  const DeltaHeader& header = report.header;
  return {{"outcome", name_of(report.outcome)},
          {"delta", header.delta_uuid.to_string()},
          {"from", end_json(header.from_tag, header.from_uuid, header.from_bytes)},
          {"to", end_json(header.to_tag, header.to_uuid, header.to_bytes)},
          {"chunk_bytes", header.to_geometry().chunk_bytes()},
          {"chunks", header.chunk_count},
          {"chunks_written", report.chunks_written},
          {"chunks_zeroed", report.chunks_zeroed},
          {"chunks_done_before", report.chunks_done_before},
          {"was_resumed", report.was_resumed},
          {"was_replaced", report.was_replaced}};
}

std::string to_text(const ChangelistFacts& facts) {
  const Changelist& list = facts.list;
  const std::uint64_t changed_bytes = facts.chunk_count << list.chunk_shift;
  return fmt::format(
      "changelist\n{}{} chunks of {} changed ({}), in {} ranges; {} with the hash of their old "
      "content\n",
      ends_text(end_name(list.from_tag, list.from_uuid), list.from_bytes,
                end_name(list.to_tag, list.to_uuid), list.to_bytes),
      with_commas(facts.chunk_count), human_bytes(std::uint64_t{1} << list.chunk_shift),
      human_bytes(changed_bytes), with_commas(list.ranges.size()), with_commas(facts.known_hashes));
}

std::string to_text(const DigestFacts& facts) {
  const ChunkGeometry geometry = facts.header.geometry();
  return fmt::format("digest of {}, {} bytes, made {}\n{} chunks of {}: {} zero\n{}\n",
                     end_name("", facts.header.uuid), with_commas(geometry.volume_bytes),
                     utc_time(facts.header.created_ns), with_commas(geometry.chunk_count()),
                     human_bytes(geometry.chunk_bytes()), with_commas(facts.zero_chunks),
                     human_bytes(facts.file_bytes));
}

std::string to_text(const DeltaFacts& facts) {
  const DeltaHeader& header = facts.header;
  const DeltaTotals& totals = facts.trailer.totals;
  std::string text =
      fmt::format("delta {}, {}, made {}\n{}", header.delta_uuid.to_string(), name_of(header.mode),
                  utc_time(header.created_ns),
                  ends_text(end_name(header.from_tag, header.from_uuid), header.from_bytes,
                            end_name(header.to_tag, header.to_uuid), header.to_bytes));
  text += fmt::format("{} chunks of {}: {} with content, {} zero, {} as before\n",
                      with_commas(totals.chunks), human_bytes(header.to_geometry().chunk_bytes()),
                      with_commas(totals.data_chunks), with_commas(totals.zero_chunks),
                      with_commas(totals.same_chunks));
  text += fmt::format("frames: {}\n", frames_text(facts));
  const std::uint64_t content_bytes = totals.data_chunks << header.chunk_shift;
  text += fmt::format("{} for {} of content", human_bytes(facts.trailer.stream_bytes),
                      human_bytes(content_bytes));
  if (content_bytes != 0)
    text += fmt::format(" ({:.1f}%)", 100.0 * static_cast<double>(facts.trailer.stream_bytes) /
                                          static_cast<double>(content_bytes));
  text += '\n';
  if (!header.to_is_proven || (!header.is_full() && !header.from_is_proven))
    text += "not proven: the devices it was made from could not show which snapshots they are\n";
  if (facts.unknown_chunks != 0)
    text +=
        fmt::format("{} chunks do not know their old content\n", with_commas(facts.unknown_chunks));
  return text;
}

std::string to_text(const FitReport& report, const std::string& device_name) {
  std::string text = fmt::format(
      "{}: {}; of {} chunks {} hold the old content, {} the new, {} are the same in both, {} are "
      "foreign\n",
      device_name, name_of(report.fit), with_commas(report.delta.trailer.totals.chunks),
      with_commas(report.before.chunks), with_commas(report.after.chunks),
      with_commas(report.unchanged.chunks), with_commas(report.foreign.chunks));
  if (report.fit == Fit::kPartlyApplied || report.fit == Fit::kForeign)
    text += ranges_text("old content", report.before) + ranges_text("new content", report.after) +
            ranges_text("foreign", report.foreign);
  if (report.was_replaced)
    text += "it does not hold what the last apply left there: what was remembered does not count\n";
  if (!report.history.empty()) text += report.history + '\n';
  if (report.is_interrupted)
    text += fmt::format(
        "an apply of this delta was interrupted, {} chunks are in doubt; run apply-delta again to "
        "finish it\n",
        with_commas(report.in_doubt.chunks));
  if (report.unproven.chunks != 0 && !report.is_base_proven)
    text += fmt::format("{} chunks cannot be proven to be the base; apply-delta wants --force\n",
                        with_commas(report.unproven.chunks));
  return text;
}

}  // namespace ddsnap
