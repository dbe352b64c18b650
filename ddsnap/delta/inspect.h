// What a file of ours is, and its facts, for text and JSON.
//
// Errors    kDamaged when it is neither changelist, delta nor digest, or a damaged one.
// Threads   Plain function.
#pragma once

#include <string>
#include <variant>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/digest_file.h"
#include "ddsnap/delta/verify.h"

namespace ddsnap {

struct ChangelistFacts {
  Changelist list;
  std::uint64_t chunk_count = 0;
  std::uint64_t known_hashes = 0;
};

struct DigestFacts {
  DigestHeader header;
  std::uint64_t zero_chunks = 0;
  std::uint64_t file_bytes = 0;
};

using InspectedFile = std::variant<ChangelistFacts, DeltaFacts, DigestFacts>;

// Reads the whole file, "-" for standard input, and checks it on the way.
Result<InspectedFile> inspect_path(const std::string& path);
Result<InspectedFile> inspect(ByteSource& source);

}  // namespace ddsnap
