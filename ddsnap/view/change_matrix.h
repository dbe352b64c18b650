// Which parts of a volume changed between which snapshots: a row for each two that follow on each
// other, a column for each equal part of the volume.
//
// Units     Shares from 0 to 1: of the chunks of that part of the volume, those that changed.
// Shape     Oldest row first; the last may end "now". At most kMaxMatrixRows, the newest. Rows
//           between snapshots change only when one of them is written; the reader keeps them.
// Errors    kNotFound for a tag; kUsage for two in the wrong order. A list that the server refuses
//           (its tracking is broken there) is a row that is not known, and no error.
// Threads   Plain values and functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

inline constexpr std::size_t kMaxMatrixRows = 200;
inline constexpr std::size_t kMaxMatrixColumns = 512;

struct ChangeRow {
  std::string from_tag;
  std::string to_tag;         // empty: now
  std::uint64_t from_ns = 0;  // since 1970
  std::uint64_t to_ns = 0;    // 0: now
  bool is_known = true;
  std::uint64_t changed_chunks = 0;
  std::vector<float> shares;  // one a column; none where it is not known
};

struct ChangeMatrix {
  std::uint64_t volume_bytes = 0;
  unsigned chunk_shift = 0;
  std::size_t columns = 0;
  std::vector<ChangeRow> rows;
};

// Of `columns` equal parts of a volume of so many chunks, the share of each that the list names.
std::vector<float> shares_of(const Changelist& list, std::uint64_t chunk_count,
                             std::size_t columns);

class ChangeMatrixReader {
 public:
  struct Ask {
    std::string from_tag;  // empty: as old as the rows go
    std::string to_tag;    // empty: now
    std::size_t rows = kMaxMatrixRows;
    std::size_t columns = 128;
  };
  Result<ChangeMatrix> read(ServerClient& client, const ServerStatusMessage& status,
                            const std::vector<SnapshotEntry>& snapshots, const Ask& ask);

 private:
  using Key = std::tuple<Uuid, Uuid, std::uint64_t>;  // from, to, chunks written in them
  Result<ChangeRow> row_between(ServerClient& client, const ChangeMatrix& matrix,
                                const SnapshotEntry& from, const SnapshotEntry* to);

  std::map<Key, ChangeRow> kept_;  // of the last read()
  std::map<Key, ChangeRow> next_;
};

}  // namespace ddsnap
