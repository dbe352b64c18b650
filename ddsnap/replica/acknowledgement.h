// The small file by which a downstream tells its upstream what it has: `acknowledged` in the inbox,
// fetched by the upstream.
//
// Shape     JSON: the uuids of all that the volume holds, newest last, and what it complains of.
//           What was heard last is the whole truth, so a lost one costs a cycle and nothing else.
// Errors    decode: kDamaged for anything else.
// Threads   Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

inline constexpr const char* kAcknowledgementName = "acknowledged";

struct Acknowledgement {
  std::int64_t written_s = 0;  // since 1970
  std::vector<Uuid> held;      // the newest kMaxAcknowledged of them
  std::string problem;         // what a person should look at; empty: nothing
};

inline constexpr std::size_t kMaxAcknowledged = 4096;

std::string encode_acknowledgement(const Acknowledgement& acknowledgement);
Result<Acknowledgement> decode_acknowledgement(const std::string& text);

}  // namespace ddsnap
