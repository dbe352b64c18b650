// The options that name a compressor: -g LEVEL as the original had it, and --codec.
//
// Errors    choice(): kUsage for a codec or level that is none.
// Threads   A plain value.
#pragma once

#include <string>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/delta/codec.h"

namespace ddsnap {

class CodecOption {
 public:
  void declare(ArgumentParser& parser);
  Result<CodecChoice> choice() const;

 private:
  int zlib_level_ = -1;  // -1: not given
  std::string codec_;
};

}  // namespace ddsnap
