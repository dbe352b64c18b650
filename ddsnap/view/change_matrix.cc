#include "ddsnap/view/change_matrix.h"

#include <fmt/format.h>

#include <algorithm>

namespace ddsnap {

namespace {

Result<std::size_t> index_of(const std::vector<SnapshotEntry>& snapshots, const std::string& tag,
                             const ServerClient& client) {
  const auto found = std::ranges::find(snapshots, tag, &SnapshotEntry::tag);
  if (found == snapshots.end())
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: there is no snapshot {}; see 'ddsnap list {}'", client.address(),
                            tag, client.address()));
  return static_cast<std::size_t>(found - snapshots.begin());
}

// The first chunk of a column; of the one behind the last: the number of chunks.
std::uint64_t first_chunk(std::size_t column, std::uint64_t chunk_count, std::size_t columns) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(column) * chunk_count / columns);
}

}  // namespace

std::vector<float> shares_of(const Changelist& list, std::uint64_t chunk_count,
                             std::size_t columns) {
  std::vector<float> shares(columns, 0);
  std::size_t column = 0;
  for (const ChunkRange& range : list.ranges) {
    std::uint64_t at = range.first.value;
    const std::uint64_t end = std::min<std::uint64_t>(range.end(), chunk_count);
    while (at < end) {
      while (column + 1 < columns && first_chunk(column + 1, chunk_count, columns) <= at) ++column;
      const std::uint64_t column_end = first_chunk(column + 1, chunk_count, columns);
      const std::uint64_t column_chunks = column_end - first_chunk(column, chunk_count, columns);
      const std::uint64_t until = std::min(end, column_end);
      shares[column] += static_cast<float>(until - at) / static_cast<float>(column_chunks);
      at = until;
    }
  }
  for (float& share : shares) share = std::min(share, 1.0f);
  return shares;
}

Result<ChangeRow> ChangeMatrixReader::row_between(ServerClient& client, const ChangeMatrix& matrix,
                                                  const SnapshotEntry& from,
                                                  const SnapshotEntry* to) {
  ChangeRow row{.from_tag = from.tag,
                .to_tag = to == nullptr ? "" : to->tag,
                .from_ns = from.created_ns,
                .to_ns = to == nullptr ? 0 : to->created_ns};
  const Key key{from.uuid, to == nullptr ? Uuid{} : to->uuid,
                from.private_chunks + (to == nullptr ? 0 : to->private_chunks)};
  if (to != nullptr) {
    const auto found = kept_.find(key);
    if (found != kept_.end() && found->second.shares.size() == matrix.columns) {
      row = found->second;
      next_[key] = row;
      return row;
    }
  }
  const auto list = client.changelist(from.tag, to == nullptr ? "now" : to->tag);
  if (!list && list.error().code == ErrorCode::kDisconnected) return std::unexpected(list.error());
  row.is_known = list.has_value();
  if (list) {
    const std::uint64_t chunks =
        ChunkGeometry{matrix.chunk_shift, matrix.volume_bytes}.chunk_count();
    row.changed_chunks = list->chunk_count();
    row.shares = shares_of(*list, chunks, matrix.columns);
    if (to != nullptr) next_[key] = row;
  }
  return row;
}

Result<ChangeMatrix> ChangeMatrixReader::read(ServerClient& client,
                                              const ServerStatusMessage& status,
                                              const std::vector<SnapshotEntry>& snapshots,
                                              const Ask& ask) {
  ChangeMatrix matrix{.volume_bytes = status.origin_bytes,
                      .chunk_shift = status.chunk_shift,
                      .columns = 0,
                      .rows = {}};
  const std::uint64_t chunks = ChunkGeometry{matrix.chunk_shift, matrix.volume_bytes}.chunk_count();
  matrix.columns = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(chunks, 1, std::min(ask.columns, kMaxMatrixColumns)));
  std::size_t first = 0;
  std::size_t last = snapshots.size();  // that is "now"
  if (!ask.from_tag.empty()) first = DD_TRY(index_of(snapshots, ask.from_tag, client));
  if (!ask.to_tag.empty()) last = DD_TRY(index_of(snapshots, ask.to_tag, client));
  if (first >= last && !ask.from_tag.empty())
    return fail(ErrorCode::kUsage, fmt::format("snapshot {} is not older than {}", ask.from_tag,
                                               ask.to_tag.empty() ? "now" : ask.to_tag));
  const std::size_t most = std::min(ask.rows, kMaxMatrixRows);
  if (last > first + most) first = last - most;
  next_.clear();
  for (std::size_t i = first; i < last; ++i) {
    const SnapshotEntry* const to = i + 1 < snapshots.size() ? &snapshots[i + 1] : nullptr;
    matrix.rows.push_back(DD_TRY(row_between(client, matrix, snapshots[i], to)));
  }
  kept_ = std::move(next_);
  return matrix;
}

}  // namespace ddsnap
